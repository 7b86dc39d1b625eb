//! An event that makes a descriptor readable: `eventfd(2)`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::descriptor::{Interest, wait};

/// An event that stays readable from [`wake`](Self::wake) to [`clear`](Self::clear).
///
/// It is shared across `fork`: a child that wakes it wakes its parent.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// Makes an event that has not happened yet.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` and `ENOMEM`, as `eventfd(2)` has them.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Makes the descriptor readable. Async-signal-safe: one `write(2)`.
    pub fn wake(&self) {
        // The one error there can be, EAGAIN, says that the counter is full: it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Whether the descriptor is readable.
    pub fn is_woken(&self) -> bool {
        let now = Some(Duration::ZERO);
        wait([(Some(self.as_fd()), Interest::Read)], now).is_ok_and(|[woken]| woken)
    }

    /// Makes the descriptor unreadable again. Returns whether it had been readable.
    pub fn clear(&self) -> bool {
        rustix::io::read(&self.0, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Waker;

    #[test]
    fn is_readable_once_however_often_it_was_woken() {
        let waker = Waker::new().unwrap();
        assert!(!waker.clear());
        waker.wake();
        waker.wake();
        assert!(waker.is_woken());
        assert!(waker.clear());
        assert!(!waker.clear());
    }
}
