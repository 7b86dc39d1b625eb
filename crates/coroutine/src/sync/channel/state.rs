//! What a channel holds, and every change of it: no waiting, and no code of a user's, is in here.

use std::collections::VecDeque;

use super::super::queue::{Place, Queue};
use super::super::shim::Unparker;
use super::error::{TryRecvError, TrySendError};

/// Nobody waits to receive while there is a value for it, nor to send while there is room.
#[derive(Debug)]
pub(super) struct State<T> {
    /// What was sent, the oldest in front. One more than `capacity` when one was handed back.
    pub(super) buffer: VecDeque<T>,
    pub(super) capacity: usize,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    /// Those who wait for room, or for a receiver, each with what it sends.
    pub(super) sending: Queue<T>,
    pub(super) receiving: Queue,
    /// What was given to receivers that have not run since, with their tickets.
    given: VecDeque<(u64, T)>,
}

impl<T> State<T> {
    /// Of a channel with one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            buffer: VecDeque::new(),
            capacity,
            senders: 1,
            receivers: 1,
            sending: Queue::new(),
            receiving: Queue::new(),
            given: VecDeque::new(),
        }
    }

    /// Gives `value` to the first who waits for one, or keeps it if there is room. Returns who is
    /// to be woken.
    pub(super) fn send(&mut self, value: T) -> Result<Option<Unparker>, TrySendError<T>> {
        if self.receivers == 0 {
            return Err(TrySendError::Disconnected(value));
        }
        if let Some(first) = self.receiving.next() {
            self.given.push_back((first.ticket, value));
            return Ok(Some(first.unparker));
        }
        if self.buffer.len() >= self.capacity {
            return Err(TrySendError::Full(value));
        }
        self.buffer.push_back(value);
        Ok(None)
    }

    /// Takes the oldest value. Returns also the sender that is to be woken for it.
    pub(super) fn receive(&mut self) -> Result<(T, Option<Unparker>), TryRecvError> {
        if let Some(value) = self.buffer.pop_front() {
            if self.buffer.len() < self.capacity
                && let Some(first) = self.sending.next()
            {
                self.buffer.push_back(first.value);
                return Ok((value, Some(first.unparker)));
            }
            return Ok((value, None));
        }
        match self.sending.next() {
            // Without a buffer it goes from hand to hand.
            Some(first) => Ok((first.value, Some(first.unparker))),
            None if self.is_over() => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Whether nothing will come any more. What was given and not taken may yet be handed on.
    fn is_over(&self) -> bool {
        self.senders == 0 && self.given.is_empty()
    }

    /// Those who are to be told that nothing will come any more, if it is so.
    pub(super) fn told_the_end(&self) -> Vec<Unparker> {
        if self.is_over() { self.receiving.unparkers() } else { Vec::new() }
    }

    /// Takes back what was given to a receiver that has left. Its sender was told that it was
    /// received, so that it counts as older than what is in the buffer.
    fn hand_on(&mut self, value: T) -> Option<Unparker> {
        match self.receiving.next() {
            Some(first) => {
                self.given.push_back((first.ticket, value));
                Some(first.unparker)
            }
            None => {
                self.buffer.push_front(value);
                None
            }
        }
    }

    fn take_given(&mut self, ticket: u64) -> Option<T> {
        // Those who were given something first run first, so that it is near the front.
        let position = self.given.iter().position(|(owner, _)| *owner == ticket)?;
        self.given.remove(position).map(|(_, value)| value)
    }
}

/// The place of a receiver, by its ticket.
pub(super) struct Receiving(pub(super) u64);

impl<T> Place<State<T>> for Receiving {
    /// The value, with those who are to be woken because it was the last; `None` when nothing
    /// will come any more.
    type Given = Option<(T, Vec<Unparker>)>;
    type Left = ();

    fn take(&self, state: &mut State<T>) -> Option<Self::Given> {
        if let Some(value) = state.take_given(self.0) {
            return Some(Some((value, state.told_the_end())));
        }
        if !state.is_over() {
            return None;
        }
        state.receiving.leave(self.0);
        Some(None)
    }

    fn leave(&self, state: &mut State<T>) -> ((), Option<Unparker>) {
        state.receiving.leave(self.0);
        let given = state.take_given(self.0);
        ((), given.and_then(|value| state.hand_on(value)))
    }
}

/// The place of a sender, by its ticket.
pub(super) struct Sending(pub(super) u64);

impl<T> Place<State<T>> for Sending {
    /// The value, when there is no receiver any more.
    type Given = Option<T>;
    /// The value, unless it was taken.
    type Left = Option<T>;

    fn take(&self, state: &mut State<T>) -> Option<Self::Given> {
        if !state.sending.contains(self.0) {
            return Some(None);
        }
        if state.receivers > 0 {
            return None;
        }
        Some(state.sending.leave(self.0))
    }

    fn leave(&self, state: &mut State<T>) -> (Option<T>, Option<Unparker>) {
        (state.sending.leave(self.0), None)
    }
}
