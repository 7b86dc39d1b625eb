//! The protocol of everything that waits here: a queue behind a lock, and a place in it.
//!
//! Who gives something takes the first waiter out of the queue, under the lock, and wakes it
//! after. From then on the thing is the waiter's, though it may not have run yet. A waiter that
//! leaves without taking, for its time is up or it has been cut, finds under the same lock
//! whether it was given anything, and hands that on. So nothing is lost and nobody overtakes.

use std::collections::VecDeque;
use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::shim::{Mutex, MutexGuard, Parker, Unparker};

/// Those who wait, the one who came first in front, each with what it has brought.
#[derive(Debug)]
pub(super) struct Queue<V = ()> {
    next_ticket: u64,
    /// Sorted by ticket.
    waiters: VecDeque<Waiter<V>>,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter<V> {
    pub(super) ticket: u64,
    pub(super) unparker: Unparker,
    pub(super) value: V,
}

impl<V> Queue<V> {
    pub(super) const fn new() -> Self {
        Self { next_ticket: 0, waiters: VecDeque::new() }
    }

    /// Adds a waiter at the end. Returns its ticket.
    pub(super) fn join(&mut self, unparker: Unparker, value: V) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.push_back(Waiter { ticket, unparker, value });
        ticket
    }

    /// Takes the first out. The caller gives it what it waits for, and wakes it.
    pub(super) fn next(&mut self) -> Option<Waiter<V>> {
        self.waiters.pop_front()
    }

    pub(super) fn contains(&self, ticket: u64) -> bool {
        self.position(ticket).is_some()
    }

    /// Takes out the waiter of `ticket`. Returns what it had brought; `None` when it has been
    /// given something, and is no longer there.
    pub(super) fn leave(&mut self, ticket: u64) -> Option<V> {
        let waiter = self.waiters.remove(self.position(ticket)?)?;
        Some(waiter.value)
    }

    /// What wakes each of them.
    pub(super) fn unparkers(&self) -> Vec<Unparker> {
        self.waiters.iter().map(|waiter| waiter.unparker.clone()).collect()
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        self.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}

impl Queue {
    /// Takes all out: each is given what it waits for. Returns what wakes them.
    pub(super) fn take_all(&mut self) -> Vec<Unparker> {
        self.waiters.drain(..).map(|waiter| waiter.unparker).collect()
    }
}

/// How one who waits finds its place in the state.
pub(super) trait Place<S> {
    /// What it waits for.
    type Given;
    /// What it keeps when it leaves without.
    type Left;

    /// Takes what it was given. `None` while it must wait on.
    fn take(&self, state: &mut S) -> Option<Self::Given>;

    /// Gives up the place, or hands on what it was given. Returns who is to be woken for that.
    fn leave(&self, state: &mut S) -> (Self::Left, Option<Unparker>);
}

/// Waits at `place`, which is in `state` already, until it is given something.
///
/// # Errors
///
/// `TimedOut` and `ConnectionAborted` as [`Parker::park`] has them, with what is left. Who was
/// given something before its time was up has it.
pub(super) fn wait<S, P: Place<S>>(
    state: &Mutex<S>,
    place: P,
    parker: &Parker,
    deadline: Option<Instant>,
) -> Result<P::Given, (io::Error, P::Left)> {
    let mut waiting = Waiting { state, place, is_there: true };
    loop {
        let error = parker.park(deadline).err();
        if error.as_ref().is_none_or(|error| error.kind() == io::ErrorKind::TimedOut) {
            let given = waiting.place.take(&mut lock(state));
            if let Some(given) = given {
                waiting.is_there = false;
                return Ok(given);
            }
        }
        if let Some(error) = error {
            return Err((error, waiting.leave()));
        }
    }
}

/// A place that is left also when the wait is unwound, as it is when a parked coroutine is
/// dropped.
struct Waiting<'a, S, P: Place<S>> {
    state: &'a Mutex<S>,
    place: P,
    is_there: bool,
}

impl<S, P: Place<S>> Waiting<'_, S, P> {
    fn leave(&mut self) -> P::Left {
        self.is_there = false;
        let (left, next) = self.place.leave(&mut lock(self.state));
        wake(next);
        left
    }
}

impl<S, P: Place<S>> Drop for Waiting<'_, S, P> {
    fn drop(&mut self) {
        if self.is_there {
            self.leave();
        }
    }
}

/// Locks a state. No code of a user's runs under such a lock, and nothing waits, so that it is
/// soon free; and no panic leaves it half changed.
pub(super) fn lock<S: ?Sized>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes those to whom something was given. Call it without the lock, which they take at once.
pub(super) fn wake(unparkers: impl IntoIterator<Item = Unparker>) {
    for unparker in unparkers {
        unparker.unpark();
    }
}

/// The moment `timeout` from now; none when it is too far off to be told.
pub(super) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
