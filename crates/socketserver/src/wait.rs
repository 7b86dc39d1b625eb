//! Where the library waits: in a coroutine the coroutine parks, and anywhere else the thread blocks.
//!
//! Everything that may wait for a client, for another request or for time goes through here; so a
//! handler need not know what runs it.

#[cfg(not(feature = "coroutine"))]
mod blocking;

use std::cell::Cell;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[cfg(not(feature = "coroutine"))]
pub(crate) use self::blocking::*;
#[cfg(feature = "coroutine")]
pub(crate) use socketserver_coroutine::{
    Cut, Parker, Unparker, before_wait, current,
    io::{
        Peer, accept, adopt, close, flush, input, is_at_end, recv, recv_now, release, send,
        send_behind, set_timeout, wait,
    },
};
pub(crate) use socketserver_sys::descriptor::Interest;

/// What runs some code: a thread, or one of its coroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runner {
    thread: NonZero<u64>,
    coroutine: Option<NonZero<u64>>,
}

impl Runner {
    /// What runs the code that calls.
    pub(crate) fn current() -> Self {
        Self { thread: thread(), coroutine: current().and_then(NonZero::new) }
    }
}

/// The number of the thread that calls, which no other ever has: `std::thread::ThreadId`, for
/// less.
pub(crate) fn thread() -> NonZero<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: Cell<Option<NonZero<u64>>> = const { Cell::new(None) });

    NUMBER.get().unwrap_or_else(|| {
        let number =
            NonZero::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZero::<u64>::MAX);
        NUMBER.set(Some(number));
        number
    })
}

/// [`std::sync::Condvar`], which in a coroutine parks it.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    waiters: Mutex<Vec<Unparker>>,
}

impl Condition {
    /// Unlocks, waits until notified, and locks again. May return without a reason.
    pub(crate) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        self.wait_until(mutex, guard, None)
    }

    /// As [`wait`](Self::wait), and returns at `deadline`.
    pub(crate) fn wait_until<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        let parker = Parker::new();
        self.waiters().push(parker.unparker());
        drop(guard);
        // One that is cut looks at its condition again, and waits again.
        let _ = parker.park_uncut(deadline);
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait. Called with the lock held.
    pub(crate) fn notify_all(&self) {
        for waiter in self.waiters().drain(..) {
            waiter.unpark();
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Vec<Unparker>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
