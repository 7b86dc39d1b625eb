//! Ten thousand coroutines that sleep at the same time, on one thread.
//!
//! Each has a stack of its own, with a guard below it, and calls `sleep` as a thread would. The
//! first argument says how many they are: a million sleep as well, where there are some 5 GB of
//! memory for them. The second says how many threads share them.
//!
//! ```text
//! cargo run --release --example sleepers [10000 [1]]
//! ```

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, error};

use socketserver_coroutine::sync::WaitGroup;
use socketserver_coroutine::{Config, Workers, sleep};

/// How much later the sleepers wake for each of them, so that the last falls asleep before the
/// first wakes.
const EACH: Duration = Duration::from_micros(10);

#[derive(Default)]
struct Bedroom {
    asleep: AtomicUsize,
    most: AtomicUsize,
}

impl Bedroom {
    fn sleep_until(&self, morning: Instant) {
        let asleep = self.asleep.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(asleep, Ordering::Relaxed);
        sleep(morning.saturating_duration_since(Instant::now()));
        self.asleep.fetch_sub(1, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let count = arguments.next().map_or(Ok(10_000), |text| text.parse::<u32>())?;
    let threads = arguments.next().map_or(Ok(1), |text| text.parse())?;

    let mut config = Config::default();
    config.stack_size = 64 * 1024; // of address space; one page of it is used
    let before = peak_memory()?;
    let begun = Instant::now();
    let morning = begun + Duration::from_secs(1) + count * EACH;
    let (bedroom, all) = (Arc::new(Bedroom::default()), WaitGroup::new());
    let workers = Workers::start("sleepers", threads, &config)?;
    for number in 0..count {
        let (bedroom, work) = (Arc::clone(&bedroom), all.add());
        let sleeper = move || {
            bedroom.sleep_until(morning);
            drop(work);
        };
        let worker = number as usize % threads;
        workers.spawn_on(worker, Box::new(sleeper)).map_err(|_| "the workers have stopped")?;
    }
    all.wait(); // this is no coroutine, so it blocks
    let late = morning.elapsed();
    workers.stop(None);

    let most = bedroom.most.load(Ordering::Relaxed);
    let memory = peak_memory()?.saturating_sub(before);
    let on = if threads == 1 { "one thread".to_owned() } else { format!("{threads} threads") };
    println!("{most} slept at the same time, on {on}");
    println!("{:.3} s in all; the last woke {late:.1?} late", begun.elapsed().as_secs_f64());
    println!("{:.1} MB, {} bytes each", memory as f64 / 1e6, memory / u64::from(count.max(1)));
    Ok(())
}

/// The most memory that the process has had at a time, in bytes.
fn peak_memory() -> Result<u64, Box<dyn error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmHWM")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
