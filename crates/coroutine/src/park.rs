//! Waiting for another thread or coroutine, and waking it.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

/// Waits for an [`Unparker`]: parks the coroutine that made it, or blocks the thread.
///
/// As with [`std::thread::park`] there is one token: an unpark that comes first makes the next
/// park return at once.
#[derive(Debug)]
pub struct Parker {
    token: Arc<Token>,
    /// Only who made it may wait.
    not_send: PhantomData<*const ()>,
}

/// Wakes a [`Parker`], from any thread.
#[derive(Clone, Debug)]
pub struct Unparker(Arc<Token>);

#[derive(Debug)]
struct Token {
    is_set: AtomicBool,
    thread: Thread,
}

impl Parker {
    /// A parker of the coroutine, or else the thread, that calls.
    pub fn new() -> Self {
        let token = Token { is_set: AtomicBool::new(false), thread: thread::current() };
        Self { token: Arc::new(token), not_send: PhantomData }
    }

    /// What wakes it.
    pub fn unparker(&self) -> Unparker {
        Unparker(Arc::clone(&self.token))
    }

    /// Waits for the token and takes it.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `deadline` has come first; `ConnectionAborted` in a coroutine that has been
    /// cut.
    pub fn park(&self, deadline: Option<Instant>) -> io::Result<()> {
        while !self.token.is_set.swap(false, Ordering::Acquire) {
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    thread::park_timeout(left);
                }
            }
        }
        Ok(())
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl Unparker {
    /// Gives the token; the parker's wait, or its next one, returns.
    pub fn unpark(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.thread.unpark();
    }
}
