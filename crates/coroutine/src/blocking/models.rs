//! Models of the pool: every order in which callers and threads can meet. They run as those of
//! `sync` do. A thread that finds nothing to do ends at once, for no time passes in a model.

use std::time::{Duration, Instant};

use loom::thread;

use super::call::Call;
use super::pool::Pool;
use crate::sync::shim::cut;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Two callers at a time, of a pool of `max` threads.
fn call_twice(max: usize) {
    check(move || {
        let pool = Pool::leaked(max, Duration::ZERO);
        let other = thread::spawn(|| Call::run(pool, None, || 1).unwrap());
        assert_eq!(Call::run(pool, None, || 2).unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
    });
}

#[test]
fn loom_a_pool_of_one_thread_strands_no_job() {
    call_twice(1);
}

#[test]
fn loom_a_pool_of_two_threads_strands_no_job() {
    call_twice(2);
}

/// A bound that falls and rises while jobs come.
#[test]
fn loom_a_pool_whose_bound_changes_strands_no_job() {
    check(|| {
        let pool = Pool::leaked(2, Duration::ZERO);
        let other = thread::spawn(|| Call::run(pool, None, || 1).unwrap());
        pool.set_max(1);
        assert_eq!(Call::run(pool, None, || 2).unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
    });
}

/// A caller that leaves: its closure has run, will run, or is dropped, and the other is served.
#[test]
fn loom_a_caller_that_leaves_strands_nobody() {
    for is_cut in [false, true] {
        check(move || {
            let pool = Pool::leaked(1, Duration::ZERO);
            let leaves = thread::spawn(move || {
                if is_cut {
                    cut();
                }
                drop(Call::run(pool, Some(Instant::now()), || 1));
            });
            assert_eq!(Call::run(pool, None, || 2).unwrap(), 2);
            leaves.join().unwrap();
        });
    }
}
