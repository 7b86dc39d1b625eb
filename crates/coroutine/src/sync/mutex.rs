//! A lock that may be held across a wait.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::never_cut;
use super::queue::deadline;
use super::semaphore::{Permit, Semaphore};
use super::shim::{self, const_fn};

/// A value that one at a time may use, and that may be held while its holder waits.
///
/// A coroutine that finds it taken parks, so that the others of its worker run on; a thread
/// blocks. Who waits is served in the order of arrival. A [`std::sync::Mutex`] is cheaper, and as
/// good where nothing waits while it is held; where something does, the coroutine that wants it
/// next blocks its whole worker, on which the holder would have to run.
///
/// As in std a guard cannot go to another thread, and a second lock by the holder waits for ever.
///
/// # Panics in a holder
///
/// The mutex is not poisoned: after a holder has panicked the next gets it, with the value as it
/// was left. In a server a panic ends one request, and is told to `handle_error`; a lock that
/// fails from then on would end every other request that needs it. And a coroutine that is
/// [cut](crate::Cut) while it holds the lock unwinds in a wait, with nothing wrong in it. Whoever
/// changes the value in more than one step, and could panic or wait between them, makes the
/// change on a copy, or asks [`is_poisoned`](Self::is_poisoned).
///
/// ```
/// use socketserver_coroutine::sync::Mutex;
///
/// static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| NAMES.lock().push("Ada"));
///     scope.spawn(|| NAMES.lock().push("Grace"));
/// });
/// assert_eq!(NAMES.lock().len(), 2);
/// ```
///
/// A guard is its thread's:
///
/// ```compile_fail,E0277
/// use socketserver_coroutine::sync::Mutex;
///
/// static COUNT: Mutex<u32> = Mutex::new(0);
/// let guard = COUNT.lock();
/// std::thread::spawn(move || drop(guard));
/// ```
pub struct Mutex<T: ?Sized> {
    /// One permit: to have it is to have the lock.
    turn: Semaphore,
    /// Always free for the one whose turn it is. That it is a lock makes it safe without a word
    /// of ours.
    value: shim::Mutex<T>,
}

impl<T> Mutex<T> {
    const_fn! {
        /// A mutex of `value`, which nobody has.
        #[must_use]
        pub fn new(value: T) -> Self {
            Self { turn: Semaphore::new(1), value: shim::Mutex::new(value) }
        }
    }

    /// The value, when the mutex is no longer shared.
    pub fn into_inner(self) -> T {
        self.value.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until it is free, and takes it: parks the coroutine, or blocks the thread.
    ///
    /// # Panics
    ///
    /// In a coroutine that is cut while it waits: it unwinds, with [`Cut`](crate::Cut).
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.guard(never_cut(self.turn.acquire()))
    }

    /// As [`lock`](Self::lock), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut`, and `ConnectionAborted` in a coroutine that has been cut while it waits.
    pub fn lock_timeout(&self, timeout: Duration) -> io::Result<MutexGuard<'_, T>> {
        self.lock_until(deadline(timeout))
    }

    pub(super) fn lock_until(&self, deadline: Option<Instant>) -> io::Result<MutexGuard<'_, T>> {
        Ok(self.guard(self.turn.acquire_until(deadline)?))
    }

    /// Takes it if it is free now, and nobody waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.turn.try_acquire().map(|turn| self.guard(turn))
    }

    /// The value, without a lock: who has the mutex for itself needs none.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a holder has panicked, or has been cut, since the mutex was made or
    /// [`clear_poison`](Self::clear_poison) was called.
    #[cfg(not(all(loom, test)))]
    pub fn is_poisoned(&self) -> bool {
        self.value.is_poisoned()
    }

    /// Forgets that a holder has panicked, when the value has been put right.
    #[cfg(not(all(loom, test)))]
    pub fn clear_poison(&self) {
        self.value.clear_poison();
    }

    fn guard<'a>(&'a self, turn: Permit<'a>) -> MutexGuard<'a, T> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => unreachable!("it is this one's turn"),
        };
        MutexGuard { value, _turn: turn, mutex: self }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => text.field("value", &&*guard),
            None => text.field("value", &format_args!("<locked>")),
        };
        text.finish_non_exhaustive()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// The value of a locked [`Mutex`], from [`lock`](Mutex::lock); unlocks when it is dropped.
#[must_use = "the mutex is unlocked when it is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    /// Dropped before the turn, so that it is free for the next.
    value: shim::MutexGuard<'a, T>,
    _turn: Permit<'a>,
    mutex: &'a Mutex<T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn mutex(guard: &Self) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
