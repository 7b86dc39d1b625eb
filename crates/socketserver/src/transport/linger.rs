use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use socketserver_sys::socket::recv_now;

use super::wait_readable;

/// How long a close waits for a client that still sends. Two seconds, as gunicorn and others.
pub(crate) const DEFAULT: Duration = Duration::from_secs(2);

/// Reads what a client has sent and nobody has read, so that closing does not turn it into a
/// reset that cuts the reply.
///
/// Called when our end has been shut down. A connection without unread input is left at once;
/// with some, its input is read and dropped until the client closes or `limit` is over.
pub(crate) fn linger(fd: BorrowedFd<'_>, limit: Duration) {
    let mut sink = [0_u8; 16 * 1024];
    let mut deadline = None;
    loop {
        match recv_now(fd, &mut sink) {
            Ok(0) => return,
            Ok(_) => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
                if Instant::now() >= deadline {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let Some(deadline) = deadline else { return };
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || wait_readable(fd, left).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
