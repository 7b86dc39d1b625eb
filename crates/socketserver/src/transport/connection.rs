use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socketserver_sys::socket::{PeerCredentials, peer_credentials};

use crate::error::mark_disconnect;
use crate::wait;

/// An open connection, whatever it runs over.
///
/// All methods take `&self`, so that one thread may read while another writes. As
/// `&dyn Connection` it is also [`Read`] and [`Write`], for code that wants those.
pub trait Connection: AsFd + fmt::Debug + Send + Sync {
    /// Reads what there is, at least one byte; zero at the end of the stream: `recv(2)`.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the [timeout](Self::set_timeout) is over. Errors that mean that the client
    /// went away are [marked](crate::Disconnected).
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Waits until [`recv`](Self::recv) would find something, where a wait would otherwise hold a
    /// buffer for nothing: in a coroutine. `want` is the most that will then be received. By
    /// default it returns at once.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    fn wait_input(&self, want: usize) -> io::Result<()> {
        let _ = want;
        Ok(())
    }

    /// As [`recv`](Self::recv), but for what [`wait_input`](Self::wait_input) has waited for: where
    /// that waits, this does not: `None` says that there was nothing after all. By default just
    /// `recv`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    fn recv_now(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.recv(buf).map(Some)
    }

    /// Writes some of `buf`, and returns how much: `send(2)`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); never SIGPIPE.
    fn send(&self, buf: &[u8]) -> io::Result<usize>;

    /// Writes all of `buf`: Python's `sendall`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); how much has been written is not known then. The timeout is for
    /// each `send`, so a client that reads slowly but steadily is not cut.
    fn send_all(&self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.send(buf)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => buf = &buf[sent..],
            }
        }
        Ok(())
    }

    /// Sends all of `bytes`, which is left empty, or with what was not sent. It may return while that
    /// is still under way, where that is cheaper: in a coroutine; then an error is told by the next
    /// call that sends, or by [`flush`](Self::flush). By default it is [`send`](Self::send) for as
    /// long as it takes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    fn send_behind(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            if sent == bytes.len() {
                break Ok(());
            }
            match self.send(&bytes[sent..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => sent += len,
                Err(error) => break Err(error),
            }
        };
        bytes.drain(..sent);
        result
    }

    /// Sends what the connection itself holds back, and waits until it is sent. Nothing, for a plain
    /// socket, but for what [`send_behind`](Self::send_behind) has taken.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Ends one or both directions: `shutdown(2)`. Threads that wait in `recv` and `send` return.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the client has gone.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Limits how long each `recv` and each `send` may wait; `None` for ever, the default.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sends small packets at once (`TCP_NODELAY`), where there is such a thing; elsewhere it
    /// does nothing.
    ///
    /// # Errors
    ///
    /// As `setsockopt(2)` has them.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let _ = nodelay;
        Ok(())
    }
}

impl Read for &dyn Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv(buf)
    }
}

impl Write for &dyn Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Connection::flush(*self)
    }
}

/// A socket of the standard library's; `$extra` is what only one of them has.
macro_rules! socket {
    ($socket:ident { $($extra:item)* }) => {
        impl Connection for $socket {
            fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
                wait::recv(self.as_fd(), buf, None).map_err(mark_disconnect)
            }

            fn wait_input(&self, want: usize) -> io::Result<()> {
                wait::input(self.as_fd(), want, None).map_err(mark_disconnect)
            }

            fn recv_now(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
                wait::recv_now(self.as_fd(), buf).map_err(mark_disconnect)
            }

            fn send(&self, buf: &[u8]) -> io::Result<usize> {
                wait::send(self.as_fd(), buf, None).map_err(mark_disconnect)
            }

            fn send_behind(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
                wait::send_behind(self.as_fd(), bytes).map_err(mark_disconnect)
            }

            fn flush(&self) -> io::Result<()> {
                wait::flush(self.as_fd()).map_err(mark_disconnect)
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                Self::shutdown(self, how)
            }

            fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                // For those who use it from elsewhere, and for the coroutine that runs the request.
                self.set_read_timeout(timeout)?;
                self.set_write_timeout(timeout)?;
                wait::set_timeout(self.as_fd(), timeout);
                Ok(())
            }

            $($extra)*
        }
    };
}

socket!(TcpStream {
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        Self::set_nodelay(self, nodelay)
    }
});

socket!(UnixStream {});

/// What the standard library's `UnixStream` cannot tell yet.
pub trait UnixStreamExt {
    /// Who connected: the kernel's word, which the client cannot forge.
    ///
    /// # Errors
    ///
    /// As `getsockopt(2)` has them.
    fn peer_credentials(&self) -> io::Result<PeerCredentials>;
}

impl UnixStreamExt for UnixStream {
    fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        peer_credentials(self.as_fd())
    }
}
