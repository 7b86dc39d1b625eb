//! TCP.

use std::io::{self, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::ToSocketAddrs;
use super::connect::connect;
use super::socket::Socket;

/// A TCP connection, as [`std::net::TcpStream`] is one. In a coroutine its operations park.
///
/// It is no `Deref` to std's, some of whose methods, `peek` for one, would block the worker. What
/// is missing here is to be had for any descriptor, from `socket2::SockRef` say.
///
/// ```
/// use std::io::{Read, Write};
///
/// use socketserver_coroutine::net::TcpStream;
///
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// # let server = std::thread::spawn(move || {
/// #     let mut client = listener.accept().unwrap().0;
/// #     let mut word = [0; 5];
/// #     client.read_exact(&mut word).unwrap();
/// #     client.write_all(&word).unwrap();
/// # });
/// let mut stream = TcpStream::connect(address)?;
/// stream.write_all(b"hello")?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer)?;
/// assert_eq!(answer, "hello");
/// # server.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct TcpStream(Arc<Socket>);

impl TcpStream {
    /// Connects to the first of the addresses that accepts. In a coroutine names are resolved on
    /// a thread of [`blocking`](crate::blocking::blocking).
    ///
    /// # Errors
    ///
    /// That of the last address, or of the resolution; `InvalidInput` when there is no address.
    /// `ConnectionAborted` in a coroutine that has been cut.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::connect_until(&address, None)
    }

    /// As [`connect`](Self::connect), but takes no longer than `timeout` in all, however many the
    /// addresses. Unlike std's it resolves names too: in a coroutine within that time; on an
    /// ordinary thread the resolution itself is not cut short.
    ///
    /// # Errors
    ///
    /// As `connect`, and `TimedOut`.
    pub fn connect_timeout(address: impl ToSocketAddrs, timeout: Duration) -> io::Result<Self> {
        Self::connect_until(&address, Instant::now().checked_add(timeout))
    }

    fn connect_until(address: &impl ToSocketAddrs, deadline: Option<Instant>) -> io::Result<Self> {
        let text = "there is no address to connect to";
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, text);
        for address in address.addresses(deadline)? {
            match connect(&address.into(), deadline) {
                Ok(socket) => return Ok(Self(Arc::new(Socket::new(socket.into())))),
                // No other address would fare better.
                Err(error) if crate::is_cut() => return Err(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// `NotConnected`, as `getpeername(2)` has it.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.options().peer_addr()?.as_socket().ok_or_else(not_ip)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)` has them.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.options().local_addr()?.as_socket().ok_or_else(not_ip)
    }

    /// Sends each write at once (`TCP_NODELAY`), without waiting for what was sent before to be
    /// acknowledged.
    ///
    /// # Errors
    ///
    /// As `setsockopt(2)` has them.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.options().set_tcp_nodelay(nodelay)
    }

    /// Whether each write is sent at once.
    ///
    /// # Errors
    ///
    /// As `getsockopt(2)` has them.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.options().tcp_nodelay()
    }
}

fn not_ip() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not an address of TCP")
}

super::socket::stream!(TcpStream, net::TcpStream);
