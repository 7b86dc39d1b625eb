#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use testkit::eventually;

use super::call::Call;
use super::pool::Pool;

const LONG: Duration = Duration::from_secs(60);

fn run<F, R>(pool: &'static Pool, code: F) -> R
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Call::run(pool, None, code).unwrap()
}

#[test]
fn a_caller_whose_time_is_up_leaves_and_what_has_not_begun_is_dropped() {
    let pool = Pool::leaked(1, LONG);
    let (open, gate) = mpsc::channel::<()>();
    let soon = || Instant::now() + Duration::from_millis(1);
    let begun = Arc::new(AtomicUsize::new(0));
    let first = Arc::clone(&begun);
    let error = Call::run(pool, Some(soon()), move || {
        first.store(1, Ordering::SeqCst);
        gate.recv().is_err()
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
    let owned = Arc::new(());
    let theirs = Arc::clone(&owned);
    let error = Call::run(pool, Some(soon()), move || drop(theirs)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(Arc::strong_count(&owned), 1);
    drop(open);
    let ours = Arc::clone(&begun);
    assert!(run(pool, move || ours.load(Ordering::SeqCst)) <= 1, "the thread serves on");
}

#[test]
fn no_more_run_at_the_same_time_than_the_bound_and_so_many_do() {
    let pool = Pool::leaked(3, LONG);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // Three must meet before any goes on, again and again.
    let meeting = Arc::new(Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..30 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let meeting = Arc::clone(&meeting);
            scope.spawn(move || {
                run(pool, move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    meeting.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(pool.threads(), 3);
}

#[test]
fn callers_are_served_in_the_order_of_arrival() {
    let pool = Pool::leaked(1, LONG);
    let (open, gate) = mpsc::channel::<()>();
    let order = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        scope.spawn(move || run(pool, move || gate.recv().is_err()));
        eventually("the only thread is busy", || pool.waiting() == 0 && pool.threads() == 1);
        for number in 0..20 {
            let order = Arc::clone(&order);
            scope.spawn(move || {
                run(pool, move || order.lock().unwrap().push(number));
            });
            eventually("the next waits", || pool.waiting() == number + 1);
        }
        drop(open);
    });
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_panic_goes_on_in_the_caller_and_the_thread_serves_on() {
    let pool = Pool::leaked(1, LONG);
    let caught = catch_unwind(|| run(pool, || panic!("as a test wants")));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as a test wants"));
    assert_eq!(run(pool, || 7), 7);
    assert_eq!(pool.threads(), 1);
}

#[test]
fn a_thread_that_has_nothing_to_do_ends_and_another_comes_when_needed() {
    let pool = Pool::leaked(2, Duration::from_millis(1));
    for number in 0..3 {
        assert_eq!(run(pool, move || number), number);
        eventually("no thread is left", || pool.threads() == 0);
    }
}

#[test]
fn the_bound_can_be_raised_and_lowered_while_jobs_wait() {
    let pool = Pool::leaked(1, LONG);
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    thread::scope(|scope| {
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..8 {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            scope.spawn(move || {
                run(pool, move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    gate.lock().unwrap().recv().is_err()
                });
            });
        }
        eventually("one runs, the others wait", || pool.waiting() == 7);
        pool.set_max(4);
        eventually("four run", || begun.load(Ordering::SeqCst) == 4);
        assert_eq!(pool.threads(), 4);
        pool.set_max(2);
        drop(open);
    });
    eventually("two threads are left", || pool.threads() == 2);
    assert_eq!(run(pool, || 7), 7);
}

#[test]
fn idle_threads_end_when_the_bound_falls() {
    let pool = Pool::leaked(8, LONG);
    let meeting = Arc::new(Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            let meeting = Arc::clone(&meeting);
            scope.spawn(move || run(pool, move || meeting.wait().is_leader()));
        }
    });
    assert_eq!(pool.threads(), 8);
    pool.set_max(3);
    eventually("three threads are left", || pool.threads() == 3);
}

#[test]
fn a_bound_that_changes_all_the_time_strands_no_job() {
    let pool = Pool::leaked(4, Duration::from_micros(200));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for caller in 0..4_usize {
            let done = &done;
            scope.spawn(move || {
                for call in 0..300 {
                    assert_eq!(run(pool, move || caller + call), caller + call);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for turn in 0..300 {
            pool.set_max(1 + turn % 4);
        }
    });
    assert_eq!(done.load(Ordering::SeqCst), 1200);
}

#[test]
fn the_result_of_a_panic_that_panics_when_dropped_does_no_harm() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("as a test wants");
            }
        }
    }

    let pool = Pool::leaked(1, LONG);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _bomb = run(pool, || Bomb);
    }));
    assert!(caught.is_err(), "it is dropped where it was sent to");
    assert_eq!(run(pool, || 7), 7);
}

#[test]
fn outside_of_a_coroutine_it_is_a_plain_call() {
    let thread = thread::current().id();
    assert_eq!(super::blocking(move || thread::current().id()), thread);
    super::set_blocking_threads(NonZeroUsize::MIN);
    super::set_blocking_threads(NonZeroUsize::new(super::BLOCKING_THREADS).unwrap());
}
