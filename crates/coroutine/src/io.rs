//! Descriptors: the operations that may wait, and the one way in which they do.
//!
//! In a coroutine, each of them parks the coroutine and lets the others run; on an ordinary thread
//! it blocks, as the standard library does. Sockets stay in blocking mode all the time: what must
//! not block says so with each call (`MSG_DONTWAIT`). So whoever uses the descriptor directly finds
//! it as the standard library made it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, socket_timeout};
use rustix::net::{RecvFlags, SendFlags};
pub use socketserver_sys::descriptor::Interest;
use socketserver_sys::descriptor::wait as poll;

use crate::park::{Parker, was_cut};
use crate::reactor::{Attempt, Watched};
pub use crate::ring::Peer;
use crate::scheduler::{Id, Woken};
use crate::worker::Worker;

/// Receives what there is, at least one byte; zero at the end of the stream: `recv(2)`.
///
/// `timeout` limits the wait; `None` stands for what [`set_timeout`] or `SO_RCVTIMEO` says. Data
/// that is there is received even if the timeout is zero.
///
/// # Errors
///
/// `TimedOut` when it has waited for so long. `ConnectionAborted`, marked as [`Cut`](crate::Cut),
/// in a coroutine that has been cut. Else as `recv(2)` has them; never `Interrupted`.
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], timeout: Option<Duration>) -> io::Result<usize> {
    let Some(worker) = Worker::here() else {
        return blocking(fd, Interest::Read, timeout, || {
            Ok(rustix::net::recv(fd, &mut *buf, RecvFlags::empty())?.0)
        });
    };
    let adopted = worker.reactor.borrow_mut().timeout(fd.as_raw_fd());
    let Some(default) = adopted else {
        return foreign(fd, Interest::Read, timeout, || {
            Ok(rustix::net::recv(fd, &mut *buf, RecvFlags::DONTWAIT)?.0)
        });
    };
    let mut waiting = Waiting::new(&worker, fd, Interest::Read, timeout.or(default));
    loop {
        let at_last = waiting.is_over;
        let attempt = worker.reactor.borrow_mut().recv(fd, buf, waiting.id, at_last);
        if let Some(result) = waiting.done(attempt) {
            return result;
        }
        waiting.wait()?;
    }
}

/// Waits until [`recv`] would find something, if that can be told without trying; so that a buffer
/// need not be held during the wait. `want` is the most that will then be received.
///
/// On an ordinary thread, and for a descriptor that is not [adopted](adopt), it returns at once.
///
/// # Errors
///
/// As [`recv`].
pub fn input(fd: BorrowedFd<'_>, want: usize, timeout: Option<Duration>) -> io::Result<()> {
    let Some(worker) = Worker::here() else {
        return Ok(());
    };
    let adopted = worker.reactor.borrow_mut().timeout(fd.as_raw_fd());
    let Some(default) = adopted else {
        return Ok(());
    };
    let mut waiting = Waiting::new(&worker, fd, Interest::Read, timeout.or(default));
    loop {
        if waiting.is_over {
            // What has come since the kernel was asked last comes before the time-out.
            let peeked = rustix::net::recv(fd, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
            if peeked.is_err_and(|error| error == rustix::io::Errno::AGAIN) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            worker.reactor.borrow_mut().expect_input(fd.as_raw_fd());
            return Ok(());
        }
        let attempt = worker.reactor.borrow_mut().input(fd, want, waiting.id);
        if let Some(result) = waiting.done(attempt) {
            return result;
        }
        waiting.wait()?;
    }
}

/// As [`recv`], but on an [adopted](adopt) socket it does not wait: for what [`input`] has waited
/// for. `None` says that there is nothing after all. Elsewhere it is [`recv`].
///
/// # Errors
///
/// As [`recv`].
pub fn recv_now(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Option<usize>> {
    if let Some(worker) = Worker::here()
        && let Some(id) = worker.running()
    {
        let mut reactor = worker.reactor.borrow_mut();
        if reactor.timeout(fd.as_raw_fd()).is_some() {
            let attempt = reactor.recv(fd, buf, id, false);
            if matches!(attempt, Attempt::Wait) {
                reactor.give_up(fd.as_raw_fd(), Interest::Read, id);
            }
            drop(reactor);
            return match attempt {
                Attempt::Wait => Ok(None),
                Attempt::Done(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
                Attempt::Done(result) => {
                    worker.spend();
                    result.map(Some)
                }
            };
        }
    }
    recv(fd, buf, None).map(Some)
}

/// Sends some of `buf`, and returns how much: `send(2)`, without SIGPIPE.
///
/// `timeout` limits the wait; `None` stands for what [`set_timeout`] or `SO_SNDTIMEO` says.
///
/// # Errors
///
/// As [`recv`].
pub fn send(fd: BorrowedFd<'_>, buf: &[u8], timeout: Option<Duration>) -> io::Result<usize> {
    let Some(worker) = Worker::here() else {
        return blocking(fd, Interest::Write, timeout, || {
            Ok(rustix::net::send(fd, buf, SendFlags::NOSIGNAL)?)
        });
    };
    let adopted = worker.reactor.borrow_mut().timeout(fd.as_raw_fd());
    let Some(default) = adopted else {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        return foreign(fd, Interest::Write, timeout, || Ok(rustix::net::send(fd, buf, flags)?));
    };
    let mut waiting = Waiting::new(&worker, fd, Interest::Write, timeout.or(default));
    let mut is_withdrawn = false;
    loop {
        let attempt = worker.reactor.borrow_mut().send(fd, buf, waiting.id);
        match attempt {
            Attempt::Done(Err(_)) if is_withdrawn => return Err(io::ErrorKind::TimedOut.into()),
            Attempt::Done(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Attempt::Done(result) => {
                worker.spend();
                return result;
            }
            Attempt::Wait if !waiting.is_over => waiting.wait()?,
            // How much has been sent is to be known, so that none of it is sent again.
            Attempt::Wait => {
                if !is_withdrawn
                    && !worker.reactor.borrow_mut().withdraw(fd.as_raw_fd(), waiting.id)
                {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                is_withdrawn = true;
                worker.wait(None, false);
            }
        }
    }
}

/// Sends all of `bytes`, perhaps in its own time: then it returns at once, and what it fails with is
/// told by the next call that sends, or by [`flush`]. `bytes` is left empty, or with what was not
/// sent.
///
/// # Errors
///
/// As [`send`], and those of what was sent so before.
pub fn send_behind(fd: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    if let Some(worker) = Worker::here()
        && let Some(timeout) = { worker.reactor.borrow_mut().timeout_behind(fd.as_raw_fd()) }
    {
        let mut waiting = Waiting::new(&worker, fd, Interest::Write, timeout);
        loop {
            let attempt = worker.reactor.borrow_mut().send_behind(fd, bytes, waiting.id);
            let Some(attempt) = attempt else { break };
            if let Some(result) = waiting.done(attempt) {
                return result;
            }
            waiting.wait()?;
        }
    }
    let mut sent = 0;
    let result = loop {
        match send(fd, &bytes[sent..], None) {
            Ok(len) if sent + len == bytes.len() => {
                bytes.clear();
                return Ok(());
            }
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => sent += len,
            Err(error) => break Err(error),
        }
    };
    bytes.drain(..sent);
    result
}

/// Waits until all has been sent that [`send_behind`] has taken.
///
/// # Errors
///
/// What it failed with; as [`send`].
pub fn flush(fd: BorrowedFd<'_>) -> io::Result<()> {
    let Some(worker) = Worker::here() else {
        return Ok(());
    };
    let adopted = worker.reactor.borrow_mut().timeout(fd.as_raw_fd());
    let Some(timeout) = adopted else {
        return Ok(());
    };
    let mut waiting = Waiting::new(&worker, fd, Interest::Write, timeout);
    loop {
        let attempt = worker.reactor.borrow_mut().flush(fd.as_raw_fd(), waiting.id);
        if let Some(result) = waiting.done(attempt) {
            return result;
        }
        waiting.wait()?;
    }
}

/// Waits until one of several descriptors is ready, or `timeout` has passed: `poll(2)`.
///
/// Entries whose descriptor is `None` are never ready. Returns for each whether it is ready; all
/// are false at the end of the timeout, and may be without any reason.
///
/// # Errors
///
/// `ENOMEM` and `ENOSPC`, when the kernel cannot watch so many; that the coroutine has been cut.
pub fn wait<const N: usize>(
    entries: [(Option<BorrowedFd<'_>>, Interest); N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let Some(worker) = Worker::current() else {
        return poll(entries, timeout);
    };
    let ready = poll(entries, Some(Duration::ZERO))?;
    let Some(id) = worker.running().filter(|_| !ready.contains(&true)) else {
        return Ok(ready);
    };
    let mut watched = Watching { worker: &worker, watched: Vec::with_capacity(N) };
    for (fd, interest) in &entries {
        if let Some(fd) = fd {
            let one = worker.reactor.borrow_mut().watch(*fd, *interest, id)?;
            if matches!(one, Watched::Always) {
                return poll(entries, Some(Duration::ZERO));
            }
            watched.watched.push(one);
        }
    }
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    if worker.wait(deadline, true) == Woken::Cut {
        return Err(was_cut());
    }
    drop(watched);
    poll(entries, Some(Duration::ZERO))
}

/// Takes a socket as the own of the worker whose coroutine calls, until [`release`]: what is known
/// of it is then kept between two operations, which saves system calls.
///
/// Only that worker's coroutines should use it meanwhile; all others can, at a higher price. On an
/// ordinary thread it does nothing.
pub fn adopt(fd: BorrowedFd<'_>) {
    if let Some(worker) = Worker::here() {
        worker.reactor.borrow_mut().adopt(fd.as_raw_fd());
    }
}

/// Ends what [`adopt`] has begun, by the number alone, for it may be called when the socket has just
/// been closed; but on the same worker, and before the worker's coroutines run again.
pub fn release(fd: RawFd) {
    if let Some(worker) = Worker::here_at_any_time() {
        worker.reactor.borrow_mut().release(fd);
    }
}

/// Closes a descriptor: `close(2)`, perhaps together with other things at the end of the turn.
pub fn close(fd: OwnedFd) {
    match Worker::here_at_any_time() {
        Some(worker) => worker.reactor.borrow_mut().close(fd),
        None => drop(fd),
    }
}

/// Limits how long one operation on an [adopted](adopt) socket may wait; `None` for ever, the
/// default. Of any other socket it does nothing.
pub fn set_timeout(fd: BorrowedFd<'_>, timeout: Option<Duration>) {
    if let Some(worker) = Worker::here() {
        worker.reactor.borrow_mut().set_timeout(fd.as_raw_fd(), timeout);
    }
}

/// Whether a [`recv`] of an [adopted](adopt) socket has met the end of the stream.
pub fn is_at_end(fd: BorrowedFd<'_>) -> bool {
    Worker::here().is_some_and(|worker| worker.reactor.borrow_mut().is_at_end(fd.as_raw_fd()))
}

/// One operation on an adopted socket, for as long as it waits.
struct Waiting<'a> {
    worker: &'a Worker,
    fd: BorrowedFd<'a>,
    interest: Interest,
    id: Id,
    timeout: Option<Duration>,
    /// Known from the first wait on, so that an operation that need not wait asks no clock.
    deadline: Option<Option<Instant>>,
    /// Whether the reactor has it among those to be woken; those whom it wakes it forgets.
    is_noted: bool,
    is_over: bool,
}

impl<'a> Waiting<'a> {
    fn new(
        worker: &'a Worker,
        fd: BorrowedFd<'a>,
        interest: Interest,
        timeout: Option<Duration>,
    ) -> Self {
        // There is one that runs, for this is called by it.
        let id = worker.running().unwrap_or(Id::new(0, 0));
        let (deadline, is_noted, is_over) = (None, false, false);
        Self { worker, fd, interest, id, timeout, deadline, is_noted, is_over }
    }

    /// The result, if there is one.
    fn done<T>(&mut self, attempt: Attempt<T>) -> Option<io::Result<T>> {
        match attempt {
            Attempt::Done(Err(error)) if error.kind() == io::ErrorKind::Interrupted => None,
            Attempt::Done(result) => {
                self.worker.spend();
                Some(result)
            }
            Attempt::Wait if self.is_over => Some(Err(io::ErrorKind::TimedOut.into())),
            Attempt::Wait => None,
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = *self.deadline.get_or_insert_with(|| {
            self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
        });
        self.is_noted = true;
        match self.worker.wait(deadline, true) {
            // Should somebody else have woken it, it is woken once more later, and looks in vain.
            Woken::Event => self.is_noted = false,
            Woken::TimedOut => self.is_over = true,
            Woken::Cut => return Err(was_cut()),
        }
        Ok(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_noted {
            let fd = self.fd.as_raw_fd();
            self.worker.reactor.borrow_mut().give_up(fd, self.interest, self.id);
        }
    }
}

/// Descriptors that are watched for one wait.
struct Watching<'a> {
    worker: &'a Rc<Worker>,
    watched: Vec<Watched>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        for watched in self.watched.drain(..) {
            self.worker.reactor.borrow_mut().unwatch(watched);
        }
    }
}

/// An operation on an ordinary thread.
fn blocking<T>(
    fd: BorrowedFd<'_>,
    interest: Interest,
    timeout: Option<Duration>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    if let Some(timeout) = timeout {
        let [ready] = poll([(Some(fd), interest)], Some(timeout))?;
        if !ready {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A blocking socket says so when SO_RCVTIMEO or SO_SNDTIMEO is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            result => return result,
        }
    }
}

/// An operation of a coroutine on a socket that is not its worker's: tried, and waited for.
fn foreign<T>(
    fd: BorrowedFd<'_>,
    interest: Interest,
    timeout: Option<Duration>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut deadline = None;
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        if deadline.is_none() {
            let timeout = timeout.or_else(|| socket_option_timeout(fd, interest));
            deadline = Some(timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
        }
        let left =
            deadline.flatten().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wait([(Some(fd), interest)], left)?;
    }
}

fn socket_option_timeout(fd: BorrowedFd<'_>, interest: Interest) -> Option<Duration> {
    let which = match interest {
        Interest::Read => Timeout::Recv,
        Interest::Write => Timeout::Send,
    };
    socket_timeout(fd.as_fd(), which).unwrap_or_default()
}

/// A connection that the kernel has accepted already on a listening socket that is
/// [watched](Listening) by this worker, and `WouldBlock` if it has not; `None` if the kernel was not
/// told to, and the caller is to accept.
pub fn accept(fd: BorrowedFd<'_>) -> Option<io::Result<(OwnedFd, Peer)>> {
    let worker = Worker::here()?;
    let mut reactor = worker.reactor.borrow_mut();
    reactor.accept(fd)
}

/// A listening socket that this worker watches, and others may too, until it is dropped: for a
/// connection one of those is woken whose worker has nothing else to do. It stays on its thread:
///
/// ```compile_fail,E0277
/// use std::os::fd::AsFd;
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// let listening = socketserver_coroutine::io::Listening::new(listener.as_fd()).unwrap();
/// std::thread::spawn(move || drop(listening));
/// ```
#[derive(Debug)]
pub struct Listening {
    worker: Rc<Worker>,
    watched: Option<Watched>,
}

impl Listening {
    /// Watches `fd` for the coroutine that calls, which alone may then [wait](Self::wait). If it
    /// `is_alone`, no other worker does, and [`accept`] may give connections.
    ///
    /// # Errors
    ///
    /// `Unsupported` on an ordinary thread; `ENOMEM` and `ENOSPC`, when the kernel cannot watch so
    /// many.
    pub fn new(fd: BorrowedFd<'_>, is_alone: bool) -> io::Result<Self> {
        let worker = Worker::current().ok_or(io::ErrorKind::Unsupported)?;
        let id = worker.running().ok_or(io::ErrorKind::Unsupported)?;
        let watched = worker.reactor.borrow_mut().watch_shared(fd, id, is_alone)?;
        Ok(Self { worker, watched: Some(watched) })
    }

    /// Waits until there may be a connection on `fd`, the same as ever, or `parker`, which is the coroutine's own, is unparked.
    ///
    /// # Errors
    ///
    /// That the coroutine has been cut.
    pub fn wait(&self, fd: BorrowedFd<'_>, parker: &Parker) -> io::Result<()> {
        if parker.take() || !self.worker.reactor.borrow_mut().watch_again(fd) {
            return Ok(());
        }
        match self.worker.wait(None, true) {
            Woken::Cut => Err(was_cut()),
            Woken::Event | Woken::TimedOut => Ok(()),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(watched) = self.watched.take() {
            self.worker.reactor.borrow_mut().unwatch(watched);
        }
    }
}
