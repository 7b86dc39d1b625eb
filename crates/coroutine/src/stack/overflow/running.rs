use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, compiler_fence};

use crate::stack::Bounds;

/// The coroutine that a thread runs. Atomic because a signal handler reads it, on that thread.
pub(super) struct Registered {
    /// The lowest address of the guard; 0 when no coroutine runs. Set last and cleared first,
    /// since it tells whether the others count.
    limit: AtomicUsize,
    /// The lowest address of the stack.
    low: AtomicUsize,
    size: AtomicUsize,
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
}

thread_local! {
    /// Made without a call and never destroyed, so that a signal handler may read it.
    static REGISTERED: Registered = const {
        Registered {
            limit: AtomicUsize::new(0),
            low: AtomicUsize::new(0),
            size: AtomicUsize::new(0),
            name: AtomicPtr::new(ptr::null_mut()),
            name_len: AtomicUsize::new(0),
        }
    };
}

/// Tells the thread that it runs a coroutine, until it is dropped.
#[derive(Debug, Default)]
#[must_use = "nothing is reported once it is dropped"]
pub struct Running {
    not_send: PhantomData<*const ()>,
}

/// From now on this thread runs the coroutine called `name`, on the stack with these bounds.
/// Costs a few stores. There is one at a time: when what it returns is dropped, none runs.
#[inline]
pub fn running(bounds: Bounds, name: &'static str) -> Running {
    REGISTERED.with(|registered| {
        registered.limit.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::Release);
        registered.low.store(bounds.low().addr(), Ordering::Relaxed);
        registered.size.store(bounds.size(), Ordering::Relaxed);
        registered.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        registered.name_len.store(name.len(), Ordering::Relaxed);
        compiler_fence(Ordering::Release);
        registered.limit.store(bounds.limit(), Ordering::Relaxed);
    });
    Running { not_send: PhantomData }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        REGISTERED.with(|registered| registered.limit.store(0, Ordering::Relaxed));
    }
}

/// The coroutine whose guard `address` is in, if it runs on this thread: its name, as an address
/// and a length in bytes, and the size of its stack. Async-signal-safe.
pub(super) fn overflowed(address: usize) -> Option<(*const u8, usize, usize)> {
    REGISTERED.with(|registered| {
        let limit = registered.limit.load(Ordering::Relaxed);
        compiler_fence(Ordering::Acquire);
        let low = registered.low.load(Ordering::Relaxed);
        let is_in_guard = limit != 0 && (limit..low).contains(&address);
        is_in_guard.then(|| {
            let name = registered.name.load(Ordering::Relaxed).cast_const();
            let len = registered.name_len.load(Ordering::Relaxed);
            (name, len, registered.size.load(Ordering::Relaxed))
        })
    })
}
