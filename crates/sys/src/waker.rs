//! An event that makes a descriptor readable: `eventfd(2)`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::descriptor::{Interest, wait};
use crate::process;

/// An event that stays readable from [`wake`](Self::wake) to [`clear`](Self::clear).
///
/// It is shared across `fork`: a child that wakes it wakes its parent.
#[derive(Debug)]
pub struct Waker {
    event: OwnedFd,
    /// The same, as far as this process has done it: to be asked for nothing.
    is_woken: AtomicBool,
}

impl Waker {
    /// Makes an event that has not happened yet.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` and `ENOMEM`, as `eventfd(2)` has them.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, is_woken: AtomicBool::new(false) })
    }

    /// Makes the descriptor readable. Async-signal-safe: a store and one `write(2)`.
    pub fn wake(&self) {
        self.is_woken.store(true, Ordering::SeqCst);
        // The one error there can be, EAGAIN, says that the counter is full: it is readable.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Whether the descriptor is readable. No system call, as long as this process has not forked.
    pub fn is_woken(&self) -> bool {
        if self.is_woken.load(Ordering::SeqCst) {
            return true;
        }
        // A child may have woken it, or its parent.
        if !process::has_forked() {
            return false;
        }
        let now = Some(Duration::ZERO);
        wait([(Some(self.as_fd()), Interest::Read)], now).is_ok_and(|[woken]| woken)
    }

    /// Makes the descriptor unreadable again. Returns whether it had been readable.
    pub fn clear(&self) -> bool {
        let was_woken = rustix::io::read(&self.event, &mut [0_u8; 8]).is_ok();
        self.is_woken.store(false, Ordering::SeqCst);
        was_woken
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
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
