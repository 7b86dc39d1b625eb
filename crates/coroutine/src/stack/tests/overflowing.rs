use std::os::unix::process::ExitStatusExt;
use std::thread;

use corosensei::{Coroutine, Yielder};
use testkit::{Process, alone, role};

use super::{small, stacks};
use crate::stack::{Config, Guards, Stack, overflow};

/// A function that does not end until the stack does.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let locals = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1).wrapping_add(locals[7]) }
}

/// Runs this test again in a child that does what its role says, and returns the signal that it
/// ended by, and what it wrote.
fn ending(name: &str, role: &str) -> (Option<i32>, String) {
    let _alone = alone();
    let name = format!("stack::tests::overflowing::{name}");
    let (status, output) = Process::of_test(&name, role).wait();
    (status.signal(), output)
}

fn overflow_in_a_coroutine(config: Config) {
    let stacks = stacks(config);
    let stack = stacks.take().unwrap();
    let bounds = stack.bounds();
    let body = |_: &Yielder<(), ()>, ()| assert_eq!(recurse(0), 1);
    let mut coroutine: Coroutine<(), (), (), Stack> = Coroutine::with_stack(stack, body);
    let _running = overflow::running(bounds, "the::Handler<of this test>");
    coroutine.resume(());
}

/// As a worker does it, on a thread of its own.
fn on_a_worker(code: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        let _alternate = overflow::install().expect("a handler");
        code();
    });
    thread.join().expect("it does not come to that");
}

#[test]
fn an_overflow_names_the_coroutine_and_aborts() {
    const NAME: &str = "an_overflow_names_the_coroutine_and_aborts";

    match role().as_deref() {
        None => {
            for kind in ["installed", "protected"] {
                let (signal, output) = ending(NAME, kind);
                assert_eq!(signal, Some(libc::SIGABRT), "{output}");
                let said = "\ncoroutine \"the::Handler<of this test>\" has overflowed its stack \
                            of 65536 bytes\n";
                assert!(output.contains(said), "{output}");
            }
        }
        Some("installed") => on_a_worker(|| overflow_in_a_coroutine(small())),
        Some(_) => on_a_worker(|| {
            overflow_in_a_coroutine(Config { guards: Some(Guards::Protected), ..small() });
        }),
    }
}

/// As when `main` is not Rust's.
#[test]
fn an_overflow_is_found_on_a_thread_without_an_alternate_stack_of_its_own() {
    const NAME: &str = "an_overflow_is_found_on_a_thread_without_an_alternate_stack_of_its_own";

    if role().is_none() {
        let (signal, output) = ending(NAME, "child");
        assert_eq!(signal, Some(libc::SIGABRT), "{output}");
        assert!(output.contains("has overflowed its stack of 65536 bytes"), "{output}");
        return;
    }
    let thread = thread::spawn(|| {
        let none =
            libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: the thread has no alternate stack then, which needs no memory.
        assert_eq!(unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) }, 0);
        // The first one goes, and takes its stack with it.
        drop(overflow::install().expect("a handler"));
        let _alternate = overflow::install().expect("a handler");
        overflow_in_a_coroutine(small());
    });
    thread.join().expect("it does not come to that");
}

/// What was installed before is still asked.
#[test]
fn the_overflow_of_a_thread_is_left_to_the_standard_library() {
    const NAME: &str = "the_overflow_of_a_thread_is_left_to_the_standard_library";

    if role().is_none() {
        let (signal, output) = ending(NAME, "child");
        assert_eq!(signal, Some(libc::SIGABRT), "{output}");
        assert!(output.contains("has overflowed its stack"), "{output}");
        assert!(!output.contains("coroutine"), "{output}");
        return;
    }
    on_a_worker(|| assert_eq!(recurse(0), 1));
}

/// Neither a fault elsewhere nor a signal that somebody has sent is taken for an overflow.
#[test]
fn another_segmentation_fault_kills_as_ever() {
    const NAME: &str = "another_segmentation_fault_kills_as_ever";

    match role().as_deref() {
        None => {
            for kind in ["fault", "sent", "outside"] {
                let (signal, output) = ending(NAME, kind);
                assert_eq!(signal, Some(libc::SIGSEGV), "{kind}: {output}");
                assert!(!output.contains("overflowed"), "{output}");
            }
        }
        Some("fault") => on_a_worker(|| {
            // SAFETY: it is not: the process is meant to end here.
            unsafe { std::ptr::without_provenance_mut::<u8>(64).write_volatile(1) };
        }),
        Some("sent") => on_a_worker(|| {
            // The standard library's handler lets the first one pass.
            for _ in 0..2 {
                // SAFETY: it sends a signal to this thread.
                unsafe { libc::raise(libc::SIGSEGV) };
            }
        }),
        // The guard of a coroutine that does not run.
        Some(_) => on_a_worker(|| {
            let stacks = stacks(small());
            let stack = stacks.take().unwrap();
            drop(overflow::running(stack.bounds(), "gone"));
            // SAFETY: it is not: the process is meant to end here.
            unsafe { stack.bounds().low().wrapping_sub(1).write_volatile(1) };
        }),
    }
}

/// A handler that was there before decides about what is not ours.
#[test]
fn a_handler_that_was_there_before_is_called() {
    const NAME: &str = "a_handler_that_was_there_before_is_called";

    extern "C" fn previous(_: libc::c_int) {
        // SAFETY: it may be called in a signal handler.
        unsafe { libc::_exit(42) };
    }

    if role().is_none() {
        let _alone = alone();
        let name = format!("stack::tests::overflowing::{NAME}");
        let (status, output) = Process::of_test(&name, "child").wait();
        assert_eq!(status.code(), Some(42), "{output}");
        return;
    }
    let handler = previous as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler only ends the process.
    unsafe { libc::signal(libc::SIGSEGV, handler) };
    on_a_worker(|| {
        // SAFETY: it is not: the process is meant to end here.
        unsafe { std::ptr::without_provenance_mut::<u8>(64).write_volatile(1) };
    });
}
