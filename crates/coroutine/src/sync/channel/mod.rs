//! A queue of values, from some to others.

mod error;
mod state;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::state::{Receiving, Sending, State};
use super::queue::{deadline, lock, wait, wake};
use super::shim::{Mutex, Parker};

pub use self::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

/// A channel that keeps at most `capacity` values: who sends more waits until one is taken.
///
/// With a capacity of 0 nothing is kept: a send ends when a receiver has taken the value.
///
/// Any number may send and any number receive; each value goes to one of them, in the order in
/// which it was sent, and to the one who has waited longest. Values go on being received when all
/// senders are gone; what nobody can receive any more is dropped with the last receiver.
///
/// A receiver that is cut after a value was given to it, and before it could run, hands the value
/// on: to the next who waits, or back to the front of the channel.
///
/// ```
/// use socketserver_coroutine::sync::channel;
///
/// let (sender, receiver) = channel(2);
/// for number in 1..=3 {
///     let sender = sender.clone();
///     std::thread::spawn(move || sender.send(number * number));
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<i32>(), 14);
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State::new(capacity))));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// A channel that keeps all that is sent: nobody waits to send, and memory grows with what is
/// not received. Take it where something else bounds that; for what comes from clients take
/// [`channel`].
///
/// ```
/// use socketserver_coroutine::sync::unbounded_channel;
///
/// let (sender, receiver) = unbounded_channel();
/// for number in 0..1000 {
///     sender.try_send(number)?;
/// }
/// assert_eq!(receiver.len(), 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unbounded_channel<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

struct Shared<T>(Mutex<State<T>>);

/// The end of a [`channel`] that sends. A clone sends to the same channel.
pub struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends `value`, and waits until there is room for it: parks the coroutine, or blocks the
    /// thread.
    ///
    /// # Errors
    ///
    /// With the value, when no receiver is left, or the coroutine has been cut while it waits.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, None).map_err(|error| match error {
            SendTimeoutError::Disconnected(value) => SendError::Disconnected(value),
            SendTimeoutError::Timeout(value) | SendTimeoutError::Cut(value) => {
                SendError::Cut(value)
            }
        })
    }

    /// As [`send`](Self::send), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As `send`, and when the time is up.
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, deadline(timeout))
    }

    /// Sends `value` if there is room for it now.
    ///
    /// # Errors
    ///
    /// With the value, when there is none, or no receiver is left.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let next = lock(&self.0.0).send(value)?;
        wake(next);
        Ok(())
    }

    fn send_until(&self, value: T, until: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        let mut state = lock(&self.0.0);
        let value = match state.send(value) {
            Ok(next) => {
                drop(state);
                wake(next);
                return Ok(());
            }
            Err(TrySendError::Disconnected(value)) => {
                return Err(SendTimeoutError::Disconnected(value));
            }
            Err(TrySendError::Full(value)) => value,
        };
        let parker = Parker::new();
        let place = Sending(state.sending.join(parker.unparker(), value));
        drop(state);
        match wait(&self.0.0, place, &parker, until) {
            // Taken in the moment in which the wait ended: it is sent.
            Ok(None) | Err((_, None)) => Ok(()),
            Ok(Some(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err((error, Some(value))) if error.kind() == io::ErrorKind::TimedOut => {
                Err(SendTimeoutError::Timeout(value))
            }
            Err((_cut, Some(value))) => Err(SendTimeoutError::Cut(value)),
        }
    }

    /// How many values the channel keeps at the moment.
    pub fn len(&self) -> usize {
        lock(&self.0.0).buffer.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.0.0).senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.senders -= 1;
        let waiters = state.told_the_end();
        drop(state);
        wake(waiters);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// The end of a [`channel`] that receives. A clone receives from the same channel: each value
/// goes to one of them.
pub struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// Takes the oldest value, and waits until there is one: parks the coroutine, or blocks the
    /// thread.
    ///
    /// # Errors
    ///
    /// When the channel is empty and no sender is left, or the coroutine has been cut while it
    /// waits.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(None).map_err(|error| match error {
            RecvTimeoutError::Disconnected => RecvError::Disconnected,
            RecvTimeoutError::Timeout | RecvTimeoutError::Cut => RecvError::Cut,
        })
    }

    /// As [`recv`](Self::recv), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As `recv`, and when the time is up.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(deadline(timeout))
    }

    /// Takes the oldest value if there is one now.
    ///
    /// # Errors
    ///
    /// When the channel is empty.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let (value, next) = lock(&self.0.0).receive()?;
        wake(next);
        Ok(value)
    }

    fn recv_until(&self, until: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut state = lock(&self.0.0);
        match state.receive() {
            Ok((value, next)) => {
                drop(state);
                wake(next);
                return Ok(value);
            }
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        let parker = Parker::new();
        let place = Receiving(state.receiving.join(parker.unparker(), ()));
        drop(state);
        match wait(&self.0.0, place, &parker, until) {
            Ok(Some((value, others))) => {
                wake(others);
                Ok(value)
            }
            Ok(None) => Err(RecvTimeoutError::Disconnected),
            Err((error, ())) if error.kind() == io::ErrorKind::TimedOut => {
                Err(RecvTimeoutError::Timeout)
            }
            Err((_cut, ())) => Err(RecvTimeoutError::Cut),
        }
    }

    /// The values as they come, until the channel is empty and no sender is left, or the
    /// coroutine is cut.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// How many values the channel keeps at the moment.
    pub fn len(&self) -> usize {
        lock(&self.0.0).buffer.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        lock(&self.0.0).receivers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        let waiters = state.sending.unparkers();
        let values = std::mem::take(&mut state.buffer);
        drop(state);
        wake(waiters);
        // Without the lock: what a value does when it is dropped is the user's.
        drop(values);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// The values of a channel, from [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The values of a channel, from a [`Receiver`] that is given up for them.
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}
