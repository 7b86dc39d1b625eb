//! Making a connection without blocking the worker.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::io::{Interest, wait};
use crate::park::Parker;

/// How long a Unix socket whose listener has no room is left alone, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Connects a new socket to `address`. It is in blocking mode, as all are.
///
/// # Errors
///
/// `TimedOut` at the deadline, `ConnectionAborted` when the coroutine has been cut; else as
/// `socket(2)` and `connect(2)` have them.
pub(super) fn connect(address: &SockAddr, deadline: Option<Instant>) -> io::Result<Socket> {
    let domain = Domain::from(i32::from(address.family()));
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
    let mut pause = PAUSE.0;
    loop {
        match socket.connect(address) {
            Ok(()) => break,
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
                finish(&socket, deadline)?;
                break;
            }
            // A Unix listener has no room, and nothing tells when it has.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                rest(pause, deadline)?;
                pause = PAUSE.1.min(pause * 2);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // One call, where fcntl(2) takes two.
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

/// Waits until a connection that has begun is made, or has failed.
fn finish(socket: &Socket, deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = left(deadline);
        let [ready] = wait([(Some(socket.as_fd()), Interest::Write)], left)?;
        if ready {
            return socket.take_error()?.map_or(Ok(()), Err);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn rest(pause: Duration, deadline: Option<Instant>) -> io::Result<()> {
    if left(deadline).is_some_and(|left| left.is_zero()) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let until = Instant::now() + pause;
    let until = deadline.map_or(until, |deadline| deadline.min(until));
    match Parker::new().park(Some(until)) {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => Err(error),
        _ => Ok(()),
    }
}

fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
