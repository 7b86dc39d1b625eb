//! A number of permits.

use std::io;
use std::time::{Duration, Instant};

use super::queue::{Place, Queue, deadline, lock, wait, wake};
use super::shim::{Mutex, Parker, Unparker, const_fn};

/// A number of permits, which bounds how many do something at the same time.
///
/// Who waits is served in the order of arrival: a permit that is given back goes to the first in
/// the queue, and cannot be overtaken. A permit that was given to somebody whose time was up in the
/// same moment, or who was cut, goes to the next.
///
/// ```
/// use socketserver_coroutine::sync::Semaphore;
///
/// static CONNECTIONS: Semaphore = Semaphore::new(2);
///
/// let first = CONNECTIONS.acquire()?;
/// let second = CONNECTIONS.acquire()?;
/// assert!(CONNECTIONS.try_acquire().is_none());
/// drop(first);
/// let third = CONNECTIONS.acquire()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Semaphore(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Those that nobody has; 0 while somebody waits, unless it is closed.
    permits: usize,
    is_closed: bool,
    queue: Queue,
}

impl State {
    /// Takes a permit that nobody has. There is one only when nobody waits.
    fn take(&mut self) -> bool {
        let is_free = self.permits > 0 && !self.is_closed;
        self.permits -= usize::from(is_free);
        is_free
    }

    fn give(&mut self) -> Option<Unparker> {
        if !self.is_closed
            && let Some(first) = self.queue.next()
        {
            return Some(first.unparker);
        }
        self.permits = self.permits.saturating_add(1);
        None
    }
}

/// The place in the queue, by its ticket.
struct Ticket(u64);

impl Place<State> for Ticket {
    /// Whether it is a permit, and not the end.
    type Given = bool;
    type Left = ();

    fn take(&self, state: &mut State) -> Option<bool> {
        if !state.queue.contains(self.0) {
            return Some(true);
        }
        if !state.is_closed {
            return None;
        }
        state.queue.leave(self.0);
        Some(false)
    }

    fn leave(&self, state: &mut State) -> ((), Option<Unparker>) {
        let was_given = state.queue.leave(self.0).is_none();
        ((), if was_given { state.give() } else { None })
    }
}

impl Semaphore {
    const_fn! {
        /// A semaphore of `permits` permits; with 0, all wait until some are
        /// [released](Self::release).
        #[must_use]
        pub fn new(permits: usize) -> Self {
            Self(Mutex::new(State { permits, is_closed: false, queue: Queue::new() }))
        }
    }

    /// Takes a permit, and waits until there is one: parks the coroutine, or blocks the thread.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the semaphore is closed; `ConnectionAborted` in a coroutine that has been
    /// cut while it waits.
    pub fn acquire(&self) -> io::Result<Permit<'_>> {
        self.acquire_until(None)
    }

    /// As [`acquire`](Self::acquire), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As `acquire`; and `TimedOut`, which is at once when `timeout` is zero and there is no
    /// permit.
    pub fn acquire_timeout(&self, timeout: Duration) -> io::Result<Permit<'_>> {
        self.acquire_until(deadline(timeout))
    }

    pub(super) fn acquire_until(&self, deadline: Option<Instant>) -> io::Result<Permit<'_>> {
        let mut state = lock(&self.0);
        if state.take() {
            return Ok(Permit(self));
        }
        if state.is_closed {
            return Err(closed());
        }
        let parker = Parker::new();
        let ticket = Ticket(state.queue.join(parker.unparker(), ()));
        drop(state);
        match wait(&self.0, ticket, &parker, deadline) {
            Ok(true) => Ok(Permit(self)),
            Ok(false) => Err(closed()),
            Err((error, ())) => Err(error),
        }
    }

    /// Takes a permit if there is one now. `None` when there is none, when others wait, and when
    /// the semaphore is closed.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        // Not a `Permit` in vain: its drop would give back what was not taken.
        let is_taken = lock(&self.0).take();
        is_taken.then(|| Permit(self))
    }

    /// Adds `permits` permits, which go to those who wait first. A permit that was
    /// [forgotten](Permit::forget) is given back in this way; and a program may release what
    /// nobody has acquired, which raises the number for good.
    pub fn release(&self, permits: usize) {
        let mut state = lock(&self.0);
        let mut given = Vec::new();
        while given.len() < permits
            && !state.is_closed
            && let Some(first) = state.queue.next()
        {
            given.push(first.unparker);
        }
        state.permits = state.permits.saturating_add(permits - given.len());
        drop(state);
        wake(given);
    }

    /// Closes it for good: all who wait, and all who come, are told `BrokenPipe`. Permits that
    /// are held stay valid.
    pub fn close(&self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let waiters = state.queue.unparkers();
        drop(state);
        wake(waiters);
    }

    /// Whether it was [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }

    /// How many permits nobody has at the moment.
    pub fn permits(&self) -> usize {
        lock(&self.0).permits
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the semaphore is closed")
}

/// A permit of a [`Semaphore`], from [`acquire`](Semaphore::acquire); given back when it is
/// dropped.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Permit<'a>(&'a Semaphore);

impl Permit<'_> {
    /// Keeps the permit from being given back. [`Semaphore::release`] does that later, from a
    /// place where this value cannot go.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let next = lock(&self.0.0).give();
        wake(next);
    }
}
