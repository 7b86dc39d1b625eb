use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use socketserver_sys::socket::recv_now;

use crate::wait::{Interest, wait};

/// How long a close waits for a client that still sends. Two seconds, as gunicorn and others.
pub(crate) const DEFAULT: Duration = Duration::from_secs(2);

/// Reads what a client has sent and nobody has read, so that closing does not turn it into a
/// reset that cuts the reply.
///
/// Called when our end has been shut down. A connection without unread input is left at once;
/// with some, its input is read and dropped until the client closes or `limit` is over.
pub(crate) fn linger(fd: BorrowedFd<'_>, limit: Duration) {
    // One byte tells whether there is anything, which most often there is not.
    if !matches!(recv_now(fd, &mut [0]), Ok(1)) {
        return;
    }
    let mut sink = vec![0; 16 * 1024];
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match recv_now(fd, &mut sink) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if wait([(Some(fd), Interest::Read)], Some(left)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
