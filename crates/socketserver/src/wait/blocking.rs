//! The same without coroutines: whoever waits blocks its thread.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub(crate) use socketserver_sys::descriptor::wait;
use socketserver_sys::socket::{recv as recv_once, send as send_once};

/// Never made without coroutines.
#[derive(Debug)]
pub(crate) enum Cut {}

impl fmt::Display for Cut {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Cut {}

pub(crate) fn current() -> Option<u64> {
    None
}

pub(crate) fn adopt(_: BorrowedFd<'_>) {}

pub(crate) fn release(_: RawFd) {}

pub(crate) fn close(fd: OwnedFd) {
    drop(fd);
}

pub(crate) fn set_timeout(_: BorrowedFd<'_>, _: Option<Duration>) {}

pub(crate) fn is_at_end(_: BorrowedFd<'_>) -> bool {
    false
}

pub(crate) fn flush(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn send_behind(fd: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut sent = 0;
    let result = loop {
        if sent == bytes.len() {
            break Ok(());
        }
        match send(fd, &bytes[sent..], None) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => sent += len,
            Err(error) => break Err(error),
        }
    };
    bytes.drain(..sent);
    result
}

/// Never told of without coroutines.
#[derive(Debug)]
#[allow(dead_code, reason = "it has the shape of the other")]
pub(crate) enum Peer {
    Inet(std::net::SocketAddr),
    Unix(Option<Box<std::os::unix::net::SocketAddr>>),
}

pub(crate) fn accept(_: BorrowedFd<'_>) -> Option<io::Result<(OwnedFd, Peer)>> {
    None
}

pub(crate) fn input(_: BorrowedFd<'_>, _: usize, _: Option<Duration>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], _: Option<Duration>) -> io::Result<usize> {
    restart(|| recv_once(fd, buf))
}

pub(crate) fn recv_now(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Option<usize>> {
    recv(fd, buf, None).map(Some)
}

pub(crate) fn before_wait<R>(_: &dyn Fn(), code: impl FnOnce() -> R) -> R {
    code()
}

pub(crate) fn send(fd: BorrowedFd<'_>, buf: &[u8], _: Option<Duration>) -> io::Result<usize> {
    restart(|| send_once(fd, buf))
}

fn restart(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A blocking socket says so when SO_RCVTIMEO or SO_SNDTIMEO is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            result => return result,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Parker(Unparker);

#[derive(Clone, Debug)]
pub(crate) struct Unparker(Arc<(AtomicBool, Thread)>);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(Unparker(Arc::new((AtomicBool::new(false), thread::current()))))
    }

    pub(crate) fn unparker(&self) -> Unparker {
        self.0.clone()
    }

    pub(crate) fn park_uncut(&self, deadline: Option<Instant>) -> io::Result<()> {
        let (token, _) = &*self.0.0;
        while !token.swap(false, Ordering::Acquire) {
            let Some(deadline) = deadline else {
                thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::park_timeout(left);
        }
        Ok(())
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        let (token, thread) = &*self.0;
        token.store(true, Ordering::Release);
        thread.unpark();
    }
}
