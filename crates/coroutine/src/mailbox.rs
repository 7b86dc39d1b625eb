//! Messages to a thread that may be asleep.
//!
//! ```text
//!    another thread                     the receiver
//!
//!    lock, push a message, unlock       asleep = true
//!    if asleep was true: wake           lock, look for messages, unlock
//!                                       none: wait for the kernel and for the wake-up
//!                                       asleep = false
//! ```
//!
//! The lock orders the two: either the receiver sees the message, or whoever pushes it comes after
//! the receiver's look, and so sees `asleep`. A receiver that is busy costs nobody a system call.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicBool;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicBool;

use crate::sync::shim::{Mutex, MutexGuard};

/// See the [module](self). It wakes nobody itself.
#[derive(Debug)]
pub(crate) struct Mailbox<M> {
    inbox: Mutex<Inbox<M>>,
    asleep: AtomicBool,
}

struct Inbox<M> {
    messages: Vec<M>,
    /// The receiver has ended, and nothing will be read any more.
    closed: bool,
}

impl<M> Mailbox<M> {
    pub(crate) fn new() -> Self {
        let inbox = Inbox { messages: Vec::new(), closed: false };
        Self { inbox: Mutex::new(inbox), asleep: AtomicBool::new(false) }
    }

    /// Leaves a message, and returns whether the receiver must be woken; gives the message back
    /// when the receiver has ended.
    pub(crate) fn send(&self, message: M) -> Result<bool, M> {
        let mut inbox = self.lock();
        if inbox.closed {
            return Err(message);
        }
        inbox.messages.push(message);
        drop(inbox);
        // A receiver that is awake is not written to.
        Ok(self.asleep.load(Ordering::Acquire) && self.asleep.swap(false, Ordering::AcqRel))
    }

    /// Moves the messages into `into`, in their order. Called by the receiver.
    pub(crate) fn receive(&self, into: &mut Vec<M>) {
        let mut inbox = self.lock();
        if into.is_empty() {
            std::mem::swap(into, &mut inbox.messages);
        } else {
            into.append(&mut inbox.messages);
        }
    }

    /// Notes that the receiver is about to wait; false if it must not, for there are messages.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Release);
        let may = self.lock().messages.is_empty();
        if !may {
            self.wake_up();
        }
        may
    }

    /// Notes that the receiver waits no longer.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Release);
    }

    /// Takes no more messages; false if there are some. Called by the receiver.
    pub(crate) fn close(&self) -> bool {
        let mut inbox = self.lock();
        inbox.closed = inbox.messages.is_empty();
        inbox.closed
    }

    fn lock(&self) -> MutexGuard<'_, Inbox<M>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> std::fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}

/// What a parker waits for: one token, which is there or not.
#[derive(Debug)]
pub(crate) struct Token(AtomicBool);

impl Token {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Puts it there. What was done before is seen by whoever takes it; also when another puts it
    /// there again, for which it is a swap and not a store.
    pub(crate) fn give(&self) {
        self.0.swap(true, Ordering::Release);
    }

    /// Whether it may be there; asked by who may take it.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes it, if it is there.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Acquire)
    }
}

/// Models of both, as the worker and the parker use them.
#[cfg(all(loom, test))]
mod models {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::{Mailbox, Token};

    /// A worker with one coroutine that parks, until its token has come.
    struct Worker {
        mailbox: Mailbox<()>,
        token: Token,
        /// The descriptor that wakes it.
        waker: (Mutex<bool>, Condvar),
        value: loom::sync::atomic::AtomicU32,
    }

    impl Worker {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                mailbox: Mailbox::new(),
                token: Token::new(),
                waker: (Mutex::new(false), Condvar::new()),
                value: loom::sync::atomic::AtomicU32::new(0),
            })
        }

        /// As `Unparker::unpark` of another thread.
        fn unpark(&self) -> bool {
            self.token.give();
            let sent = self.mailbox.send(());
            if sent == Ok(true) {
                *self.waker.0.lock().unwrap() = true;
                self.waker.1.notify_one();
            }
            sent.is_ok()
        }

        /// As `Parker::park`, with what `Worker::run` does meanwhile.
        fn park(&self) {
            let mut messages = Vec::new();
            while !self.token.take() {
                // The coroutine waits; it is woken by a message.
                loop {
                    self.mailbox.receive(&mut messages);
                    if messages.drain(..).count() > 0 {
                        break;
                    }
                    if self.mailbox.fall_asleep() {
                        let mut is_woken = self.waker.0.lock().unwrap();
                        while !std::mem::take(&mut *is_woken) {
                            is_woken = self.waker.1.wait(is_woken).unwrap();
                        }
                        drop(is_woken);
                        self.mailbox.wake_up();
                    }
                }
            }
        }
    }

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(model);
    }

    /// A wake-up that is lost is a deadlock, which loom reports.
    #[test]
    fn loom_who_parks_is_woken_and_sees_what_was_done_before() {
        check(|| {
            let worker = Worker::new();
            let ours = Arc::clone(&worker);
            let other = thread::spawn(move || {
                ours.value.store(7, loom::sync::atomic::Ordering::Relaxed);
                assert!(ours.unpark());
            });
            worker.park();
            assert_eq!(worker.value.load(loom::sync::atomic::Ordering::Relaxed), 7);
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_two_who_unpark_make_one_park_return_or_two() {
        check(|| {
            let worker = Worker::new();
            let others = [0, 1].map(|_| {
                let ours = Arc::clone(&worker);
                thread::spawn(move || assert!(ours.unpark()))
            });
            worker.park();
            others.into_iter().for_each(|other| other.join().unwrap());
            // Either both came first, or the second's token is there still.
            worker.token.take();
            assert!(!worker.token.is_there());
        });
    }

    #[test]
    fn loom_a_worker_that_parks_again_is_woken_again() {
        check(|| {
            let worker = Worker::new();
            let ours = Arc::clone(&worker);
            let other = thread::spawn(move || {
                ours.unpark();
                ours.value.store(1, loom::sync::atomic::Ordering::Relaxed);
                ours.unpark();
            });
            worker.park();
            if worker.value.load(loom::sync::atomic::Ordering::Relaxed) == 0 {
                worker.park();
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_a_message_is_either_read_or_refused() {
        check(|| {
            let worker = Worker::new();
            let ours = Arc::clone(&worker);
            let other = thread::spawn(move || ours.mailbox.send(()).is_ok());
            let mut messages = Vec::new();
            worker.mailbox.receive(&mut messages);
            let is_closed = worker.mailbox.close();
            let is_sent = other.join().unwrap();
            if !is_closed {
                worker.mailbox.receive(&mut messages);
            }
            assert_eq!(messages.len(), usize::from(is_sent), "nothing is taken and never read");
        });
    }
}
