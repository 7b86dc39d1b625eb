//! Locks, queues and signals that park a coroutine and block a thread.
//!
//! They work among coroutines of one worker, of several, and threads, in any mixture. Who waits
//! is served in the order of arrival, and a time-out or a cut loses nothing: what had been given to
//! the one who left goes to the next.
//!
//! | type | what it is for |
//! |---|---|
//! | [`Mutex`] | a value that one at a time uses, also across a wait |
//! | [`Condvar`] | waiting for a change of what a mutex holds |
//! | [`Semaphore`] | how many may do something at the same time |
//! | [`channel`] | values from some to others, with a bound |
//! | [`Event`] | something that has happened |
//! | [`WaitGroup`] | waiting until several have ended |
//!
//! # Coroutines that are cut
//!
//! A coroutine is cut when its server closes and does not wait any longer. A wait that can fail
//! then does, with `ConnectionAborted` or what its own error type has for it. A wait that cannot,
//! such as [`Mutex::lock`], unwinds the coroutine instead, with [`Cut`](crate::Cut).
//! What needs no wait succeeds as before.
//!
//! # In destructors
//!
//! While a panic or a cut unwinds a coroutine, no other can run on its worker, so that a wait in a
//! destructor blocks the thread. What it waits for must then come from elsewhere: a destructor that
//! locks a [`Mutex`] whose holder waits, on the same worker, waits for ever. Take
//! [`Mutex::try_lock`] there, or do not hold across a wait what destructors lock.

mod channel;
mod condvar;
mod event;
#[cfg(all(loom, test))]
mod models;
mod mutex;
mod queue;
mod semaphore;
pub(crate) mod shim;
mod wait_group;

use std::io;

use crate::park;

pub use self::channel::{
    IntoIter, Iter, Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError, channel, unbounded_channel,
};
pub use self::condvar::Condvar;
pub use self::event::Event;
pub use self::mutex::{Mutex, MutexGuard};
pub use self::semaphore::{Permit, Semaphore};
pub use self::wait_group::{WaitGroup, Work};

/// What a wait without a deadline has given; a cut, its only error, unwinds.
fn never_cut<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|_cut| park::unwind())
}
