//! So many coroutines at once, each parked on a timer.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socketserver_coroutine::{Config, run, sleep, spawn, yield_now};

use crate::Result;

/// Begins them; when all have begun, prints how long that took, in nanoseconds, and how many are
/// parked. When they have slept for so long, prints how many have woken up.
pub(crate) fn park(count: usize, nap: Duration) -> Result<()> {
    run(&Config::default(), move || life(count, nap))??;
    Ok(())
}

fn life(count: usize, nap: Duration) -> io::Result<()> {
    let begun = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let until = begin + nap;
    for number in 0..count {
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        // Nobody joins them: they are counted.
        let _ = spawn(move || {
            begun.fetch_add(1, Ordering::Relaxed);
            sleep(until.saturating_duration_since(Instant::now()));
            ended.fetch_add(1, Ordering::Relaxed);
        });
        if number % 1024 == 0 {
            yield_now();
        }
    }
    while begun.load(Ordering::Relaxed) < count {
        yield_now();
    }
    let parked = count - ended.load(Ordering::Relaxed);
    writeln!(io::stdout(), "{} {parked}", begin.elapsed().as_nanos())?;
    while ended.load(Ordering::Relaxed) < count {
        sleep(Duration::from_millis(100));
        if Instant::now() > until + PATIENCE {
            break;
        }
    }
    writeln!(io::stdout(), "{}", ended.load(Ordering::Relaxed))
}

/// For all to wake up.
const PATIENCE: Duration = Duration::from_secs(60);
