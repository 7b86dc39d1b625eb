use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use socketserver_sys::datagram::send_timeout;

use super::datagram_socket::Home;
use super::gather;
use crate::address::Address;
use crate::error::disconnected;
use crate::wait::{self, Interest, Parker};

/// The most bytes of a datagram that are read: all that UDP can carry.
pub(super) const MAX_PACKET_SIZE: usize = 64 * 1024;

/// How long a reply waits for room in the client's queue.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A received datagram, and the socket to answer on: Python's `request` of a datagram server.
#[derive(Debug)]
pub struct Packet {
    pub(super) data: Vec<u8>,
    pub(super) truncated: bool,
    pub(super) destination: Option<IpAddr>,
    socket: Arc<dyn PacketSocket>,
    /// What it shares with the other packets of a server's own socket; of no other there is one.
    pub(super) home: Weak<Home>,
}

impl Packet {
    /// A datagram that a transport of one's own has received.
    pub fn new(data: Vec<u8>, socket: Arc<dyn PacketSocket>) -> Self {
        Self { data, truncated: false, destination: None, socket, home: Weak::new() }
    }

    /// Says that the datagram was longer than what was read of it.
    pub fn with_truncated(self, truncated: bool) -> Self {
        Self { truncated, ..self }
    }

    /// Says which of this host's addresses the datagram was sent to; replies leave from there.
    pub fn with_destination(self, destination: Option<IpAddr>) -> Self {
        Self { destination, ..self }
    }

    /// One without data, to answer with when this one is gone.
    pub(super) fn to_answer(&self) -> Self {
        Self {
            data: Vec::new(),
            truncated: false,
            destination: self.destination,
            socket: Arc::clone(&self.socket),
            home: Weak::clone(&self.home),
        }
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
    /// receiver's queue: a thread blocks, a coroutine parks. In a handler that runs as a coroutine,
    /// what goes out over UDP may be gathered with the replies of others and sent a moment later,
    /// before the thread waits for anything; what then fails is told to the observer
    /// ([`NotSent`](crate::observe::Event::NotSent)).
    ///
    /// # Errors
    ///
    /// `TimedOut` when the receiver does not read. `EMSGSIZE` when `data` is longer than a
    /// datagram can be. That the receiver has no address or is gone (`ECONNREFUSED`, `ENOENT`)
    /// is [marked](crate::Disconnected).
    pub fn send_to(&self, data: &[u8], address: &Address) -> io::Result<usize> {
        use io::ErrorKind::{ConnectionRefused, Interrupted, NotConnected, NotFound, WouldBlock};
        if gather::queue(self, data, address) {
            return Ok(data.len());
        }
        let in_coroutine = wait::current().is_some();
        let mut room: Option<Room> = None;
        loop {
            let sent = if in_coroutine {
                self.socket.send_now(data, address, self.destination)
            } else {
                self.socket.send_to(data, address, self.destination)
            };
            return match sent {
                Err(error) => match error.kind() {
                    Interrupted => continue,
                    WouldBlock if in_coroutine => {
                        let fd = self.socket.as_fd();
                        room.get_or_insert_with(|| Room::new(fd)).wait(fd)?;
                        continue;
                    }
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

/// A coroutine's wait for room to send a datagram.
struct Room {
    deadline: Option<Instant>,
    /// How long to wait for a receiver that does not read; zero before the first time.
    pause: Duration,
}

impl Room {
    /// How long to wait for a receiver that does not read, at first and at the longest.
    const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

    fn new(socket: BorrowedFd<'_>) -> Self {
        let timeout = send_timeout(socket).unwrap_or(Some(SEND_TIMEOUT));
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { deadline, pause: Duration::ZERO }
    }

    /// Waits until it is worth to try again.
    fn wait(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let now = Instant::now();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (shortest, longest) = Self::PAUSES;
        if self.pause.is_zero() {
            self.pause = shortest;
            wait::wait([(Some(socket), Interest::Write)], left)?;
        } else {
            // The socket itself has room, and the kernel tells nobody of the receiver's queue.
            let pause = left.map_or(self.pause, |left| left.min(self.pause));
            let _ = Parker::new().park_uncut(Some(now + pause));
            self.pause = (self.pause * 2).min(longest);
        }
        Ok(())
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

    /// As [`send_to`](Self::send_to), but without waiting for room: what a coroutine calls, so that
    /// others go on meanwhile. By default just `send_to`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; else as [`send_to`](Self::send_to).
    fn send_now(
        &self,
        data: &[u8],
        address: &Address,
        source: Option<IpAddr>,
    ) -> io::Result<usize> {
        self.send_to(data, address, source)
    }
}
