//! Unix stream sockets.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockAddr;

use super::connect::connect;
use super::socket::Socket;

/// A connection of Unix sockets, as [`std::os::unix::net::UnixStream`] is one. In a coroutine
/// its operations park.
///
/// ```
/// use std::io::Read;
///
/// use socketserver_coroutine::net::UnixStream;
///
/// # let path = std::env::temp_dir().join(format!("ss-unix-doc-{}", std::process::id()));
/// # let listener = std::os::unix::net::UnixListener::bind(&path)?;
/// # let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
/// let mut stream = UnixStream::connect(&path)?;
/// assert_eq!(stream.read(&mut [0; 64])?, 0, "the server has hung up");
/// # server.join().unwrap();
/// # std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UnixStream(Arc<Socket>);

impl UnixStream {
    /// Connects to the socket at `path`. While the listener's queue is full it tries again, after
    /// a pause of 1 ms that grows to 50 ms.
    ///
    /// # Errors
    ///
    /// As `connect(2)` has them; `InvalidInput` for a path that is too long or holds a zero byte.
    /// `ConnectionAborted` in a coroutine that has been cut.
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_until(&SockAddr::unix(path)?, None)
    }

    /// As [`connect`](Self::connect), but takes no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As `connect`, and `TimedOut`.
    pub fn connect_timeout(path: impl AsRef<Path>, timeout: Duration) -> io::Result<Self> {
        Self::connect_until(&SockAddr::unix(path)?, Instant::now().checked_add(timeout))
    }

    /// As [`connect`](Self::connect), to any address: an abstract one too.
    ///
    /// # Errors
    ///
    /// As `connect`.
    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::connect_until(&socket_address(address)?, None)
    }

    fn connect_until(address: &SockAddr, deadline: Option<Instant>) -> io::Result<Self> {
        Ok(Self(Arc::new(Socket::new(connect(address, deadline)?.into()))))
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// As `getpeername(2)` has them.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix_address(&self.0.options().peer_addr()?)
    }

    /// The address of this end, which mostly has no name.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)` has them.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix_address(&self.0.options().local_addr()?)
    }
}

fn socket_address(address: &SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return SockAddr::unix(path);
    }
    let Some(name) = address.as_abstract_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an address without a name"));
    };
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

fn unix_address(address: &SockAddr) -> io::Result<SocketAddr> {
    if let Some(name) = address.as_abstract_namespace() {
        return SocketAddr::from_abstract_name(name);
    }
    // An empty path stands for no name.
    SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new("")))
}

super::socket::stream!(UnixStream, net::UnixStream);
