use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use socketserver_sys::signal::restore_interrupt;
use socketserver_sys::waker::Waker;

/// What tells a thread that waits for a program to wait no longer: it becomes readable then.
#[derive(Debug)]
pub(crate) enum Cut<'a> {
    /// The server cuts what runs in its own process.
    Waker(&'a Waker),
    /// In a forked child: the server's SIGTERM.
    Signal(SignalFd),
}

impl Cut<'_> {
    /// In a forked child: makes SIGTERM readable instead of deadly, so that the program does not
    /// outlive the child. The program itself gets both signals back as they are by default.
    ///
    /// # Errors
    ///
    /// `EMFILE` and the like, as `signalfd(2)` has them.
    pub(crate) fn by_signal() -> io::Result<Self> {
        // SIGINT too, for which a terminal is no reason to end: that is the parent's to decide.
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGINT);
        blocked.add(Signal::SIGTERM);
        blocked.thread_block()?;
        restore_interrupt()?;
        let mut awaited = SigSet::empty();
        awaited.add(Signal::SIGTERM);
        Ok(Self::Signal(SignalFd::with_flags(&awaited, SfdFlags::SFD_CLOEXEC)?))
    }
}

impl AsFd for Cut<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Waker(waker) => waker.as_fd(),
            Self::Signal(signal) => signal.as_fd(),
        }
    }
}
