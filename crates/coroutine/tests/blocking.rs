//! What blocks, called from coroutines.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use socketserver_coroutine::blocking::{BLOCKING_THREADS, blocking, set_blocking_threads};
use socketserver_coroutine::{Config, Cut, Workers, in_coroutine, run, spawn, yield_now};
use testkit::{DEADLINE, Gate, eventually};

fn bound(threads: usize) {
    set_blocking_threads(NonZeroUsize::new(threads).unwrap());
}

#[test]
fn the_others_of_the_worker_run_while_one_waits() {
    let _alone = testkit::alone();
    bound(BLOCKING_THREADS);
    run(&Config::default(), || {
        let gate = Arc::new(Gate::new());
        let inside = Arc::clone(&gate);
        let worker = thread::current().id();
        let child = spawn(move || {
            let passed = blocking(move || {
                assert!(!in_coroutine());
                assert_ne!(thread::current().id(), worker);
                assert!(thread::current().name().unwrap().starts_with("blocking-"));
                inside.pass()
            });
            assert!(in_coroutine());
            assert_eq!(thread::current().id(), worker);
            passed
        });
        for _ in 0..10 {
            yield_now();
        }
        assert!(!child.is_finished());
        gate.open();
        assert!(child.join().unwrap());
    })
    .unwrap();
}

#[test]
fn coroutines_of_all_workers_share_one_bound() {
    let _alone = testkit::alone();
    bound(3);
    let workers = Workers::start("socketserver", 2, &Config::default()).unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (meeting, done) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..30 {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        let (meeting, done) = (Arc::clone(&meeting), Arc::clone(&done));
        let code = Box::new(move || {
            blocking(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                meeting.wait();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            done.fetch_add(1, Ordering::SeqCst);
        });
        assert!(workers.spawn(code).is_ok());
    }
    eventually("all have been served", || done.load(Ordering::SeqCst) == 30);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert!(workers.stop(Some(DEADLINE)));
}

#[test]
fn a_panic_arrives_and_the_coroutine_goes_on() {
    let _alone = testkit::alone();
    bound(1);
    run(&Config::default(), || {
        let caught = catch_unwind(|| blocking(|| panic!("as a test wants")));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as a test wants"));
        assert_eq!(blocking(|| 7), 7);
    })
    .unwrap();
}

/// Says when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_cut_leaves_what_has_begun_and_drops_what_has_not() {
    let _alone = testkit::alone();
    bound(1);
    let (open, gate) = mpsc::channel::<()>();
    let unwound = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (is_result_dropped, is_code_dropped) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));

    let waits = |code: Box<dyn FnOnce() -> Flag + Send>| {
        let unwound = Arc::clone(&unwound);
        move || {
            let caught = catch_unwind(AssertUnwindSafe(|| drop(blocking(code))));
            assert!(caught.unwrap_err().is::<Cut>());
            unwound.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (result, noted) = (Flag(Arc::clone(&is_result_dropped)), Arc::clone(&order));
    let first = waits(Box::new(move || {
        noted.lock().unwrap().push("begun");
        let _ = gate.recv();
        noted.lock().unwrap().push("ended");
        result
    }));
    let (code, noted) = (Flag(Arc::clone(&is_code_dropped)), Arc::clone(&order));
    let second = waits(Box::new(move || {
        noted.lock().unwrap().push("never");
        code
    }));
    let begun = Arc::clone(&order);
    run(&Config::default(), move || {
        spawn(first);
        while begun.lock().unwrap().is_empty() {
            yield_now();
        }
        spawn(second);
        yield_now();
    })
    .unwrap();

    assert_eq!(unwound.load(Ordering::SeqCst), 2, "nobody waits for what blocks");
    assert!(is_code_dropped.load(Ordering::SeqCst));
    assert!(!is_result_dropped.load(Ordering::SeqCst));
    drop(open);
    eventually("its result is dropped", || is_result_dropped.load(Ordering::SeqCst));
    assert_eq!(*order.lock().unwrap(), ["begun", "ended"]);
}

#[test]
fn while_a_panic_unwinds_it_is_a_plain_call() {
    let _alone = testkit::alone();
    struct CallsInDrop(Arc<AtomicBool>);
    impl Drop for CallsInDrop {
        fn drop(&mut self) {
            let flag = Arc::clone(&self.0);
            blocking(move || flag.store(true, Ordering::SeqCst));
        }
    }

    let is_called = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&is_called);
    run(&Config::default(), move || {
        let child = spawn(move || {
            let _calls = CallsInDrop(ours);
            std::panic::resume_unwind(Box::new("as a test wants"));
        });
        assert!(child.join().is_err());
    })
    .unwrap();
    assert!(is_called.load(Ordering::SeqCst));
}
