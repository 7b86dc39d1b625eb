//! Where a worker learns from the kernel that something is ready: two ways with the same names.
//!
//! An operation is tried with the coroutine that wants it. It is [`Done`](Attempt::Done), or the
//! coroutine has been noted and will be among those that [`Reactor::wait`] returns when it is time
//! to try again: [`Wait`](Attempt::Wait). One that no longer wants it says so
//! ([`Reactor::give_up`]).
//!
//! A descriptor that is *adopted* belongs to the worker until it is released: what is known of it
//! is kept between two operations. Any other is tried, and watched for as long as it is waited for.

mod epoll;
mod table;
mod timeout;
mod uring;
mod waiters;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use socketserver_sys::descriptor::Interest;

use self::epoll::Epoll;
use self::uring::Uring;
use crate::Backend;
use crate::ring::{Operation, Peer};
use crate::scheduler::Id;

/// What came of trying an operation.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// It has been done, or has failed.
    Done(io::Result<T>),
    /// The coroutine must wait.
    Wait,
}

/// One of the two.
pub(crate) enum Reactor {
    Epoll(Epoll),
    Uring(Box<Uring>),
}

macro_rules! delegate {
    ($self:ident, $reactor:ident => $call:expr) => {
        match $self {
            Self::Epoll($reactor) => $call,
            Self::Uring($reactor) => $call,
        }
    };
}

impl Reactor {
    /// The one that is asked for; with [`Backend::Auto`] io_uring, or else epoll.
    pub(crate) fn new(backend: Backend, wake_up: BorrowedFd<'_>) -> io::Result<Self> {
        let epoll = || Ok(Self::Epoll(Epoll::new(wake_up)?));
        let uring = || Ok(Self::Uring(Box::new(Uring::new(wake_up)?)));
        match backend {
            Backend::Epoll => epoll(),
            Backend::IoUring => uring(),
            Backend::Auto => uring().or_else(|_: io::Error| epoll()),
        }
    }

    /// Which of the two it is.
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Epoll(_) => Backend::Epoll,
            Self::Uring(_) => Backend::IoUring,
        }
    }

    /// Takes `fd`, a socket, as this worker's own until it is released.
    pub(crate) fn adopt(&mut self, fd: RawFd) {
        delegate!(self, reactor => reactor.adopt(fd));
    }

    /// Gives up a descriptor that was adopted. Must come before it is closed.
    pub(crate) fn release(&mut self, fd: RawFd) {
        delegate!(self, reactor => reactor.release(fd));
    }

    /// Closes a descriptor, which is to be released before another is opened.
    pub(crate) fn close(&mut self, fd: OwnedFd) {
        match self {
            Self::Epoll(_) => drop(fd),
            Self::Uring(uring) => uring.close(fd),
        }
    }

    /// How long one operation on an adopted descriptor may wait; `None` if it is not adopted.
    pub(crate) fn timeout(&mut self, fd: RawFd) -> Option<Option<Duration>> {
        delegate!(self, reactor => reactor.timeout(fd))
    }

    /// As [`timeout`](Self::timeout), and `None` too if nothing is sent behind here.
    pub(crate) fn timeout_behind(&mut self, fd: RawFd) -> Option<Option<Duration>> {
        match self {
            Self::Epoll(_) => None,
            Self::Uring(uring) => uring.timeout(fd),
        }
    }

    /// Limits how long one operation on an adopted descriptor may wait.
    pub(crate) fn set_timeout(&mut self, fd: RawFd, timeout: Option<Duration>) {
        delegate!(self, reactor => reactor.set_timeout(fd, timeout));
    }

    /// Whether the end of what an adopted socket's peer sends has been read.
    pub(crate) fn is_at_end(&mut self, fd: RawFd) -> bool {
        delegate!(self, reactor => reactor.is_at_end(fd))
    }

    /// Waits for input of an adopted socket without taking it, if that can be told for nothing.
    pub(crate) fn input(&mut self, fd: BorrowedFd<'_>, want: usize, id: Id) -> Attempt<()> {
        delegate!(self, reactor => reactor.input(fd, want, id))
    }

    /// Notes that there is input after all.
    pub(crate) fn expect_input(&mut self, fd: RawFd) {
        delegate!(self, reactor => reactor.expect_input(fd));
    }

    /// Receives from an adopted socket; if `at_last`, without waiting, whatever is known of it.
    pub(crate) fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        buf: &mut [u8],
        id: Id,
        at_last: bool,
    ) -> Attempt<usize> {
        delegate!(self, reactor => reactor.recv(fd, buf, id, at_last))
    }

    /// Sends on an adopted socket.
    pub(crate) fn send(&mut self, fd: BorrowedFd<'_>, buf: &[u8], id: Id) -> Attempt<usize> {
        delegate!(self, reactor => reactor.send(fd, buf, id))
    }

    /// Sends all of `bytes` and takes them, perhaps when it has returned already. `None` if that is not
    /// to be had here: then they are to be sent as ever.
    pub(crate) fn send_behind(
        &mut self,
        fd: BorrowedFd<'_>,
        bytes: &mut Vec<u8>,
        id: Id,
    ) -> Option<Attempt<()>> {
        match self {
            Self::Epoll(_) => None,
            Self::Uring(uring) => Some(uring.send_behind(fd, bytes, id)),
        }
    }

    /// Waits until what was sent behind has been sent.
    pub(crate) fn flush(&mut self, fd: RawFd, id: Id) -> Attempt<()> {
        match self {
            Self::Epoll(_) => Attempt::Done(Ok(())),
            Self::Uring(uring) => uring.flush(fd, id),
        }
    }

    /// Takes back what is being sent for a coroutine; the next [`send`](Self::send) tells what came
    /// of it, and must be waited for. False if nothing is being sent.
    pub(crate) fn withdraw(&mut self, fd: RawFd, id: Id) -> bool {
        match self {
            Self::Epoll(_) => false,
            Self::Uring(uring) => uring.withdraw(fd, id),
        }
    }

    /// A connection that has been accepted already; `None` if that is left to the caller.
    pub(crate) fn accept(&mut self, fd: BorrowedFd<'_>) -> Option<io::Result<(OwnedFd, Peer)>> {
        match self {
            Self::Epoll(_) => None,
            Self::Uring(uring) => uring.accept(fd),
        }
    }

    /// Notes that a coroutine waits no longer for an adopted socket.
    pub(crate) fn give_up(&mut self, fd: RawFd, interest: Interest, id: Id) {
        delegate!(self, reactor => reactor.give_up(fd, interest, id));
    }

    /// Watches any descriptor for a coroutine, which is woken when it is ready, or when anything
    /// else is that it watches.
    pub(crate) fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        id: Id,
    ) -> io::Result<Watched> {
        delegate!(self, reactor => reactor.watch(fd, interest, id))
    }

    /// Watches a listening socket until it is unwatched, for one coroutine of this worker's. Unless
    /// it `is_alone`, other workers watch it too.
    pub(crate) fn watch_shared(
        &mut self,
        fd: BorrowedFd<'_>,
        id: Id,
        is_alone: bool,
    ) -> io::Result<Watched> {
        match self {
            Self::Epoll(epoll) => epoll.watch_shared(fd, id),
            Self::Uring(uring) => uring.watch_shared(fd, id, is_alone),
        }
    }

    /// To be called before each wait for a socket that `watch_shared` watches; false if there is a
    /// connection already.
    pub(crate) fn watch_again(&mut self, fd: BorrowedFd<'_>) -> bool {
        match self {
            Self::Epoll(_) => true,
            Self::Uring(uring) => uring.watch_again(fd),
        }
    }

    /// Ends what `watch` has begun.
    pub(crate) fn unwatch(&mut self, watched: Watched) {
        match self {
            Self::Epoll(epoll) => epoll.unwatch(watched),
            Self::Uring(uring) => uring.unwatch(&watched),
        }
    }

    /// Waits for the kernel, at most for so long, and adds to `woken` who may go on.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        woken: &mut Vec<Id>,
    ) -> io::Result<()> {
        delegate!(self, reactor => reactor.wait(timeout, woken))
    }
}

/// A descriptor that is watched; see [`Reactor::watch`].
#[derive(Debug)]
pub(crate) enum Watched {
    /// It cannot be waited for, and so is always ready: a regular file.
    Always,
    /// The number that the kernel knows it by.
    Number(RawFd),
    /// It was watched already, and is watched under another number.
    Duplicate(OwnedFd),
    /// What is in flight for it.
    Operation(Operation),
    /// A listening socket, by its number.
    Listener(RawFd),
}
