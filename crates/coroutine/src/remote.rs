//! What other threads may ask of a worker, and how they wake it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socketserver_sys::waker::Waker;

use crate::mailbox::Mailbox;
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
pub(crate) struct Remote {
    mailbox: Mailbox<Message>,
    waker: Waker,
    /// Coroutines that run there, or will.
    load: AtomicUsize,
    /// Who is told of coroutines that kept the worker from all others.
    pub(crate) on_blocked: OnceLock<OnBlocked>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("load", &self.load).finish_non_exhaustive()
    }
}

/// Told the name of a coroutine that kept its worker, and for how long; see
/// [`Workers::on_blocked`](crate::Workers::on_blocked).
pub type OnBlocked = Arc<dyn Fn(&'static str, Duration) + Send + Sync>;

impl Remote {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            mailbox: Mailbox::new(),
            waker: Waker::new()?,
            load: AtomicUsize::new(0),
            on_blocked: OnceLock::new(),
        })
    }

    /// Gives the worker a message; gives it back when the worker has ended.
    pub(crate) fn send(&self, message: Message) -> Result<(), Message> {
        if self.mailbox.send(message)? {
            self.waker.wake();
        }
        Ok(())
    }

    /// Moves the messages into `into`, in their order. Called by the worker.
    pub(crate) fn receive(&self, into: &mut Vec<Message>) {
        self.mailbox.receive(into);
    }

    /// Notes that the worker is about to wait; false if it must not, for there are messages.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.mailbox.fall_asleep()
    }

    /// Notes that the worker waits no longer.
    pub(crate) fn wake_up(&self) {
        self.mailbox.wake_up();
    }

    /// Takes no more messages; false if there are some. Called by the worker.
    pub(crate) fn close(&self) -> bool {
        self.mailbox.close()
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
}

/// Readable when the worker shall wake up. Never read, so to be watched edge-triggered.
impl AsFd for Remote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spawn(_) => "Spawn",
            Self::Wake(_) => "Wake",
            Self::Cut(..) => "Cut",
            Self::Stop => "Stop",
        })
    }
}
