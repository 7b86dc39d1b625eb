//! What other threads may ask of a worker, and how they wake it.
//!
//! ```text
//!    another thread                     the worker
//!
//!    lock, push a message, unlock       asleep = true
//!    if asleep was true: wake           lock, look for messages, unlock
//!                                       none: wait for the kernel and for the wake-up
//!                                       asleep = false
//! ```
//!
//! The lock orders the two: either the worker sees the message, or whoever pushes it comes after the
//! worker's look, and so sees `asleep`. A worker that is busy costs nobody a system call.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketserver_sys::waker::Waker;

use crate::scheduler::Id;

/// What a coroutine is to run.
pub type Job = Box<dyn FnOnce() + Send>;

/// What a worker is asked for.
pub(crate) enum Message {
    /// To run this on a coroutine of its own.
    Spawn(Job),
    /// To let a coroutine go on that waits.
    Wake(Id),
    /// To make all waits of all coroutines but one fail.
    Cut(Option<Id>),
    /// To end when no coroutine is left.
    Stop,
}

/// A worker as other threads see it.
#[derive(Debug)]
pub(crate) struct Remote {
    inbox: Mutex<Inbox>,
    asleep: AtomicBool,
    waker: Waker,
    /// Coroutines that run there, or will.
    load: AtomicUsize,
}

#[derive(Default)]
struct Inbox {
    messages: Vec<Message>,
    /// The worker has ended, and nothing will be read any more.
    closed: bool,
}

impl Remote {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            inbox: Mutex::default(),
            asleep: AtomicBool::new(false),
            waker: Waker::new()?,
            load: AtomicUsize::new(0),
        })
    }

    /// Gives the worker a message; gives it back when the worker has ended.
    pub(crate) fn send(&self, message: Message) -> Result<(), Message> {
        let mut inbox = self.lock();
        if inbox.closed {
            return Err(message);
        }
        inbox.messages.push(message);
        drop(inbox);
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
        Ok(())
    }

    /// Moves the messages into `into`, in their order. Called by the worker.
    pub(crate) fn receive(&self, into: &mut Vec<Message>) {
        let mut inbox = self.lock();
        if into.is_empty() {
            std::mem::swap(into, &mut inbox.messages);
        } else {
            into.append(&mut inbox.messages);
        }
    }

    /// Notes that the worker is about to wait; false if it must not, for there are messages.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Release);
        let may = self.lock().messages.is_empty();
        if !may {
            self.wake_up();
        }
        may
    }

    /// Notes that the worker waits no longer.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Release);
    }

    /// Takes no more messages; false if there are some. Called by the worker.
    pub(crate) fn close(&self) -> bool {
        let mut inbox = self.lock();
        inbox.closed = inbox.messages.is_empty();
        inbox.closed
    }

    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(crate) fn add_load(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_load(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable when the worker shall wake up. Never read, so to be watched edge-triggered.
impl AsFd for Remote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}
