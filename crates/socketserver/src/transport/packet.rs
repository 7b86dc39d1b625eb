use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::address::Address;
use crate::error::disconnected;

/// The most bytes of a datagram that are read: all that UDP can carry.
pub(super) const MAX_PACKET_SIZE: usize = 64 * 1024;

/// How long a reply waits for room in the client's queue.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A received datagram, and the socket to answer on: Python's `request` of a datagram server.
#[derive(Debug)]
pub struct Packet {
    data: Vec<u8>,
    truncated: bool,
    destination: Option<IpAddr>,
    socket: Arc<dyn PacketSocket>,
}

impl Packet {
    /// A datagram that a transport of one's own has received.
    pub fn new(data: Vec<u8>, socket: Arc<dyn PacketSocket>) -> Self {
        Self { data, truncated: false, destination: None, socket }
    }

    /// Says that the datagram was longer than what was read of it.
    pub fn with_truncated(self, truncated: bool) -> Self {
        Self { truncated, ..self }
    }

    /// Says which of this host's addresses the datagram was sent to; replies leave from there.
    pub fn with_destination(self, destination: Option<IpAddr>) -> Self {
        Self { destination, ..self }
    }

    /// The datagram's bytes; none, for an empty one.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether the datagram was longer than `max_packet_size`, and its end is lost.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The address of this host that the datagram was sent to: known to UDP servers that are
    /// bound to a wildcard address.
    pub fn destination(&self) -> Option<IpAddr> {
        self.destination.map(|address| address.to_canonical())
    }

    /// Sends `data` to `address` as one datagram, from the address that this one was sent to.
    ///
    /// Waits up to the server's [`send_timeout`](crate::Builder::send_timeout) for room in the
    /// receiver's queue.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the receiver does not read. `EMSGSIZE` when `data` is longer than a
    /// datagram can be. That the receiver has no address or is gone (`ECONNREFUSED`, `ENOENT`)
    /// is [marked](crate::Disconnected).
    pub fn send_to(&self, data: &[u8], address: &Address) -> io::Result<usize> {
        use io::ErrorKind::{ConnectionRefused, NotConnected, NotFound, WouldBlock};
        loop {
            return match self.socket.send_to(data, address, self.destination) {
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    // A blocking socket says so when SO_SNDTIMEO is over.
                    WouldBlock => Err(io::ErrorKind::TimedOut.into()),
                    NotConnected | NotFound | ConnectionRefused => Err(disconnected(error)),
                    _ => Err(error),
                },
                ok => ok,
            };
        }
    }

    /// The socket that the datagram came from: the server's own.
    pub fn socket(&self) -> &Arc<dyn PacketSocket> {
        &self.socket
    }
}

/// A socket that can send a datagram to an address.
pub trait PacketSocket: AsFd + fmt::Debug + Send + Sync {
    /// Sends `data` to `address` as one datagram, from the address `source` of this host if there
    /// is one.
    ///
    /// # Errors
    ///
    /// As `sendmsg(2)` has them; `NotConnected` for an address that cannot be sent to.
    fn send_to(&self, data: &[u8], address: &Address, source: Option<IpAddr>) -> io::Result<usize>;
}

/// A server's datagram socket, with the buffer that it receives into.
#[derive(Debug)]
pub struct DatagramSocket<S> {
    pub(super) socket: Arc<S>,
    /// One for all, so that receiving a short datagram does not cost clearing 64 KiB.
    buffer: Mutex<Vec<u8>>,
}

impl<S> DatagramSocket<S> {
    /// The socket itself.
    pub fn socket(&self) -> &Arc<S> {
        &self.socket
    }

    /// Receives into a buffer of `size` bytes, and takes out what was received.
    pub(super) fn receive<R>(
        &self,
        size: usize,
        recv: impl FnOnce(&mut [u8]) -> io::Result<(usize, R)>,
    ) -> io::Result<(Vec<u8>, R)> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() != size {
            buffer.resize(size, 0);
        }
        let (len, rest) = recv(&mut buffer)?;
        Ok((buffer[..len].to_vec(), rest))
    }
}

impl<S> From<S> for DatagramSocket<S> {
    fn from(socket: S) -> Self {
        Self { socket: Arc::new(socket), buffer: Mutex::default() }
    }
}

impl<S: AsFd> AsFd for DatagramSocket<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
