//! As many coroutines as there is memory for.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socketserver_coroutine::{Config, Parker, Reserved, run, sleep};

const COUNT: usize = 1_000_000;

/// It takes five gigabytes:
///
/// ```text
/// cargo test -p socketserver-coroutine --release --test million -- --ignored --nocapture
/// ```
#[test]
#[ignore = "it takes five gigabytes of memory"]
fn a_million_sleepers_wake_in_the_order_of_their_deadlines_and_end() {
    let mut config = Config::default();
    config.stack_size = 64 * 1024;
    let before = memory();
    let begun = Instant::now();
    run(&config, move || {
        let woken = Rc::new(Cell::new((0, begun)));
        // All are asleep before the first wakes.
        let first = Instant::now() + Duration::from_secs(20);
        for number in 0..COUNT {
            let woken = Rc::clone(&woken);
            // Scattered, so that they do not begin in the order in which they wake.
            let order = (number * 7_919) % COUNT;
            let deadline = first + Duration::from_micros(order as u64);
            Reserved::new().unwrap().spawn(move || {
                let error = Parker::new().park(Some(deadline)).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
                let (count, last) = woken.get();
                assert!(Instant::now() >= deadline);
                assert!(last < deadline || last == begun, "in the order of their deadlines");
                woken.set((count + 1, deadline));
            });
        }
        sleep(Duration::from_millis(1));
        println!("{COUNT} are asleep after {:?}, on {} kB", begun.elapsed(), memory() - before);
        assert!(begun.elapsed() < Duration::from_secs(20), "they have begun in time");
        while woken.get().0 < COUNT {
            sleep(Duration::from_millis(10));
        }
        println!("the last has ended {:?} after the first was due", first.elapsed());
    })
    .unwrap();
    println!("all is gone {:?} after the beginning", begun.elapsed());
}

/// Kilobytes that are in memory.
fn memory() -> usize {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
