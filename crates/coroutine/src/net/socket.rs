//! What the streams have in common: a descriptor, and the worker that has adopted it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::remote::{Message, Remote};
use crate::worker::Worker;

/// A connected socket in blocking mode.
#[derive(Debug)]
pub(super) struct Socket {
    /// `None` only while it is dropped.
    fd: Option<OwnedFd>,
    /// The worker that has adopted it, which must know before the number can be another's.
    home: Option<Arc<Remote>>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl Socket {
    /// Takes over a socket as it is after `connect`; the worker adopts it if a coroutine calls.
    pub(super) fn new(fd: OwnedFd) -> Self {
        let home = Worker::current().map(|worker| Arc::clone(worker.remote()));
        crate::io::adopt(fd.as_fd());
        let (read_timeout, write_timeout) = (Timeout::default(), Timeout::default());
        Self { fd: Some(fd), home, read_timeout, write_timeout }
    }

    /// As [`new`](Self::new), of one that was made elsewhere: with the time-outs that it has.
    pub(super) fn take_over(fd: OwnedFd) -> Self {
        let socket = Self::new(fd);
        let options = socket.options();
        let _ = options.set_nonblocking(false);
        socket.read_timeout.set(options.read_timeout().unwrap_or(None));
        socket.write_timeout.set(options.write_timeout().unwrap_or(None));
        socket
    }

    /// The descriptor, as nobody's any more; a duplicate when it is in use elsewhere.
    pub(super) fn into_fd(self: Arc<Self>) -> io::Result<OwnedFd> {
        let mut socket = match Arc::try_unwrap(self) {
            Ok(socket) if socket.home.as_ref().is_none_or(is_here) => socket,
            Ok(socket) => return socket.as_fd().try_clone_to_owned(),
            Err(shared) => return shared.as_fd().try_clone_to_owned(),
        };
        let Some(fd) = socket.fd.take() else { unreachable!("it is there until the drop") };
        crate::io::release(fd.as_raw_fd());
        Ok(fd)
    }

    pub(super) fn options(&self) -> SockRef<'_> {
        SockRef::from(self)
    }

    pub(super) fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        crate::io::recv(self.as_fd(), buf, self.read_timeout.get())
    }

    pub(super) fn send(&self, buf: &[u8]) -> io::Result<usize> {
        crate::io::send(self.as_fd(), buf, self.write_timeout.get())
    }

    /// Limits each receive. The socket has the limit too, for whoever uses the descriptor.
    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.options().set_read_timeout(not_zero(timeout)?)?;
        self.read_timeout.set(timeout);
        Ok(())
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.options().set_write_timeout(not_zero(timeout)?)?;
        self.write_timeout.set(timeout);
        Ok(())
    }

    pub(super) fn read_timeout(&self) -> Option<Duration> {
        self.read_timeout.get()
    }

    pub(super) fn write_timeout(&self) -> Option<Duration> {
        self.write_timeout.get()
    }
}

impl AsFd for Socket {
    #[allow(clippy::expect_used, reason = "it is there until the drop")]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("a descriptor").as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (Some(fd), Some(home)) = (self.fd.take(), self.home.take()) else { return };
        if is_here(&home) {
            crate::io::release(fd.as_raw_fd());
            return;
        }
        // On another thread, or while a panic unwinds: the worker closes it itself. One that has
        // ended gives the message back, and the socket is closed here.
        home.add_load();
        let close = Box::new(move || crate::io::release(fd.as_raw_fd()));
        if home.send(Message::Spawn(close)).is_err() {
            home.remove_load();
        }
    }
}

/// Whether a coroutine of this worker calls, and no panic unwinds.
fn is_here(home: &Arc<Remote>) -> bool {
    Worker::current().is_some_and(|worker| Arc::ptr_eq(worker.remote(), home))
}

/// A limit in nanoseconds; 0 for none.
#[derive(Debug, Default)]
struct Timeout(AtomicU64);

impl Timeout {
    fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// One too long for the number, some five hundred years, is none.
    fn set(&self, timeout: Option<Duration>) {
        let nanos = timeout.map_or(0, |timeout| timeout.as_nanos().try_into().unwrap_or(0));
        self.0.store(nanos, Ordering::Relaxed);
    }
}

/// As std has it: a limit of zero is refused, for the kernel takes it for none.
fn not_zero(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a timeout of zero"));
    }
    Ok(timeout)
}

/// What both kinds of streams offer: the bytes, the time-outs, the descriptor, and the way to
/// and from std's.
macro_rules! stream {
    ($stream:ident, $std:ty) => {
        impl $stream {
            /// Ends sending, receiving, or both; whoever waits for it goes on.
            ///
            /// # Errors
            ///
            /// `NotConnected`, as `shutdown(2)` has it.
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.0.options().shutdown(how)
            }

            /// Another handle of the same connection, for another coroutine or thread; it takes no
            /// descriptor of its own. The connection is closed when the last is dropped.
            ///
            /// # Errors
            ///
            /// None at present; std's has some.
            pub fn try_clone(&self) -> io::Result<Self> {
                Ok(Self(Arc::clone(&self.0)))
            }

            /// Limits how long one read waits, here and in all clones; `None`, the default, for
            /// ever. The read then fails with `TimedOut`.
            ///
            /// # Errors
            ///
            /// `InvalidInput` for a timeout of zero.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_read_timeout(timeout)
            }

            /// How long one read waits at most.
            pub fn read_timeout(&self) -> Option<Duration> {
                self.0.read_timeout()
            }

            /// Limits how long one write waits, here and in all clones; `None`, the default, for
            /// ever. The write then fails with `TimedOut`.
            ///
            /// # Errors
            ///
            /// `InvalidInput` for a timeout of zero.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_write_timeout(timeout)
            }

            /// How long one write waits at most.
            pub fn write_timeout(&self) -> Option<Duration> {
                self.0.write_timeout()
            }

            /// The error that the socket has met, and clears it (`SO_ERROR`).
            ///
            /// # Errors
            ///
            /// As `getsockopt(2)` has them.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.0.options().take_error()
            }

            /// The same connection as std's, which blocks everywhere. If there are clones, or it
            /// belongs to another worker, with a descriptor of its own.
            ///
            /// # Errors
            ///
            /// `EMFILE` and `ENFILE`, when there is no such descriptor to be had.
            pub fn into_std(self) -> io::Result<$std> {
                Ok(self.0.into_fd()?.into())
            }
        }

        /// Takes over std's, which is put into blocking mode. The worker adopts it if a coroutine
        /// calls; then nobody else may have a duplicate of it that is read or written.
        impl From<$std> for $stream {
            fn from(stream: $std) -> Self {
                Self(Arc::new(Socket::take_over(OwnedFd::from(stream))))
            }
        }

        impl Read for $stream {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.recv(buf)
            }
        }

        impl Read for &$stream {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.recv(buf)
            }
        }

        impl Write for $stream {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.send(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Write for &$stream {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.send(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $stream {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }
    };
}

pub(super) use stream;
