//! Waiting, without a lock, for something that changes under it.

use std::io;
use std::time::{Duration, Instant};

use super::mutex::MutexGuard;
use super::never_cut;
use super::queue::{Place, Queue, deadline, lock, wait, wake};
use super::shim::{Mutex, Parker, Unparker, const_fn};

/// Waits for a change of what a [`Mutex`](super::Mutex) holds, with the lock given up meanwhile.
///
/// Unlike std's it wakes nobody without cause, and a notification goes to the one who has waited
/// longest; but what was true when it was given may have changed until the lock is had again, so
/// that a condition is still asked in a loop.
///
/// ```
/// use socketserver_coroutine::sync::{Condvar, Mutex};
///
/// static READY: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
///
/// std::thread::spawn(|| {
///     *READY.0.lock() = true;
///     READY.1.notify_one();
/// });
/// let guard = READY.1.wait_while(READY.0.lock(), |ready| !*ready);
/// assert!(*guard);
/// ```
#[derive(Debug)]
pub struct Condvar(Mutex<Queue>);

struct Ticket(u64);

impl Place<Queue> for Ticket {
    type Given = ();
    type Left = ();

    fn take(&self, queue: &mut Queue) -> Option<()> {
        (!queue.contains(self.0)).then_some(())
    }

    fn leave(&self, queue: &mut Queue) -> ((), Option<Unparker>) {
        let was_notified = queue.leave(self.0).is_none();
        let next = if was_notified { queue.next() } else { None };
        ((), next.map(|waiter| waiter.unparker))
    }
}

impl Condvar {
    const_fn! {
        /// One for which nobody waits.
        #[must_use]
        pub fn new() -> Self {
            Self(Mutex::new(Queue::new()))
        }
    }

    /// Gives up the lock, waits for a notification, and takes the lock again.
    ///
    /// # Panics
    ///
    /// In a coroutine that is cut while it waits: it unwinds, with [`Cut`](crate::Cut), without
    /// the lock.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        never_cut(self.wait_until(guard, None)).0
    }

    /// Waits as long as `condition` holds, which is asked under the lock, first before any wait.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// As [`wait`](Self::wait), but waits no longer than `timeout`; the lock is then taken again
    /// however long that lasts. Returns also whether there was a notification.
    ///
    /// # Errors
    ///
    /// `ConnectionAborted` in a coroutine that has been cut while it waits; the lock is lost.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> io::Result<(MutexGuard<'a, T>, bool)> {
        self.wait_until(guard, deadline(timeout))
    }

    /// Waits as long as `condition` holds, but no longer than `timeout`. Returns also whether it
    /// has ceased to hold.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> io::Result<(MutexGuard<'a, T>, bool)> {
        let deadline = deadline(timeout);
        while condition(&mut guard) {
            let (again, is_notified) = self.wait_until(guard, deadline)?;
            guard = again;
            if !is_notified {
                let ceased = !condition(&mut guard);
                return Ok((guard, ceased));
            }
        }
        Ok((guard, true))
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> io::Result<(MutexGuard<'a, T>, bool)> {
        let mutex = MutexGuard::mutex(&guard);
        let parker = Parker::new();
        // In the queue before the lock is given up: what is notified after that is not missed.
        let ticket = Ticket(lock(&self.0).join(parker.unparker(), ()));
        drop(guard);
        let is_notified = match wait(&self.0, ticket, &parker, deadline) {
            Ok(()) => true,
            Err((error, ())) if error.kind() == io::ErrorKind::TimedOut => false,
            Err((error, ())) => return Err(error),
        };
        Ok((mutex.lock_until(None)?, is_notified))
    }

    /// Wakes the one who has waited longest.
    pub fn notify_one(&self) {
        let first = lock(&self.0).next();
        wake(first.map(|waiter| waiter.unparker));
    }

    /// Wakes all who wait now.
    pub fn notify_all(&self) {
        let all = lock(&self.0).take_all();
        wake(all);
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}
