//! Datagrams: flights of them go out, and the next when all of one have come back.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmsg,
    sendmmsg, sendmsg, setsockopt,
};

use super::ready::Ready;
use super::{Histogram, LINE, check, compare, line, number_of};
use crate::Result;

/// How the datagrams of one server are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// 64 peers, one datagram under way from each.
    Single,
    /// 8 peers, 16 datagrams from each at once.
    Batch,
    /// One peer, two trains of 16 to 64 datagrams under way.
    Train,
}

impl Pattern {
    fn sockets(self) -> usize {
        match self {
            Self::Single => 64,
            Self::Batch => 8,
            Self::Train => 1,
        }
    }

    fn flights(self) -> usize {
        if self == Self::Train { 2 } else { 1 }
    }

    /// How many datagrams the flight has that comes after so many others.
    fn length(self, before: usize) -> usize {
        match self {
            Self::Single => 1,
            Self::Batch => 16,
            Self::Train => [16, 64, 32, 48, 24][before % 5],
        }
    }
}

/// All peers of one server.
#[derive(Debug)]
pub(super) struct Udp {
    pattern: Pattern,
    peers: Vec<Peer>,
    ready: Ready,
    sent_flights: usize,
    buffer: Vec<u8>,
}

impl Udp {
    pub(super) fn new(address: SocketAddr, pattern: Pattern) -> Result<Self> {
        let mut ready = Ready::new()?;
        let mut peers = Vec::new();
        for index in 0..pattern.sockets() {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(address)?;
            socket.set_nonblocking(true)?;
            let mut segments = false;
            if pattern == Pattern::Train {
                // Where the kernel cannot, datagrams come one by one.
                segments = setsockopt(&socket, UdpGroSegment, &true).is_ok();
            }
            ready.add(&socket, index)?;
            peers.push(Peer { socket, flights: Vec::new(), segments });
        }
        Ok(Self { pattern, peers, ready, sent_flights: 0, buffer: vec![0; 1 << 16] })
    }

    /// Runs until every datagram of these numbers has come back.
    pub(super) fn run(
        &mut self,
        mut numbers: Range<usize>,
        deadline: Instant,
        took: &mut Histogram,
    ) -> Result<()> {
        let (pattern, sent_flights) = (self.pattern, &mut self.sent_flights);
        let mut next = || {
            let count = pattern.length(*sent_flights).min(numbers.len());
            *sent_flights += 1;
            let flight = numbers.start..numbers.start + count;
            numbers.start += count;
            flight
        };
        let mut under_way = 0;
        for _ in 0..pattern.flights() {
            for peer in &mut self.peers {
                under_way += usize::from(peer.send(next())?);
            }
        }
        while under_way > 0 {
            check(deadline)?;
            for index in self.ready.wait()? {
                let peer = &mut self.peers[index];
                while let Some(landed) = peer.receive(&mut self.buffer)? {
                    for since in landed {
                        took.record(since.elapsed());
                        under_way -= usize::from(!peer.send(next())?);
                    }
                    if peer.flights.is_empty() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Nothing may have come that was not asked for.
    pub(super) fn end(mut self) -> Result<()> {
        for peer in &self.peers {
            match peer.socket.recv(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Err("a datagram too many".into()),
            }
        }
        Ok(())
    }
}

/// Datagrams that went out together.
#[derive(Debug)]
struct Flight {
    numbers: Range<usize>,
    /// One bit for each that has come back.
    seen: u64,
    since: Instant,
}

#[derive(Debug)]
struct Peer {
    socket: UdpSocket,
    flights: Vec<Flight>,
    /// Whether one receive may bring several datagrams.
    segments: bool,
}

impl Peer {
    /// Sends a datagram for each number, and tells whether there were any.
    fn send(&mut self, numbers: Range<usize>) -> Result<bool> {
        if numbers.is_empty() {
            return Ok(false);
        }
        let lines: Vec<[u8; LINE]> = numbers.clone().map(line).collect();
        self.flights.push(Flight { numbers, seen: 0, since: Instant::now() });
        if let [line] = &lines[..] {
            self.socket.send(line)?;
        } else if !(self.segments && self.send_train(lines.as_flattened())?) {
            self.send_batch(&lines)?;
        }
        Ok(true)
    }

    /// As one buffer that the kernel cuts; `false` if it cannot.
    fn send_train(&mut self, lines: &[u8]) -> Result<bool> {
        let size = LINE as u16;
        let cut = [ControlMessage::UdpGsoSegments(&size)];
        let (fd, parts) = (self.socket.as_raw_fd(), [IoSlice::new(lines)]);
        match sendmsg::<()>(fd, &parts, &cut, MsgFlags::empty(), None) {
            Ok(count) if count == lines.len() => Ok(true),
            Ok(_) => Err("a train was sent in part".into()),
            Err(Errno::EIO | Errno::EINVAL) => {
                self.segments = false;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn send_batch(&self, lines: &[[u8; LINE]]) -> Result<()> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(lines.len(), None);
        let mut rest = lines;
        while !rest.is_empty() {
            let parts: Vec<_> = rest.iter().map(|line| [IoSlice::new(line)]).collect();
            let nowhere = vec![None; rest.len()];
            let fd = self.socket.as_raw_fd();
            let flags = MsgFlags::empty();
            let sent = sendmmsg(fd, &mut headers, &parts, &nowhere, [], flags)?.count();
            rest = &rest[sent..];
        }
        Ok(())
    }

    /// Receives once, and returns when the flights began that are now complete; `None` when there
    /// is nothing to receive.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<Instant>>> {
        let Some((count, size)) = self.receive_into(buffer)? else { return Ok(None) };
        let mut landed = Vec::new();
        for datagram in buffer[..count].chunks(size.max(1)) {
            let number = number_of(datagram);
            let flight = self.flights.iter().position(|flight| flight.numbers.contains(&number));
            let Some(place) = flight else {
                let text = String::from_utf8_lossy(datagram);
                return Err(format!("nobody was answered with {text:?}").into());
            };
            compare(number, datagram)?;
            let flight = &mut self.flights[place];
            let bit = 1 << (number - flight.numbers.start);
            if flight.seen & bit != 0 {
                return Err(format!("request {number} was answered twice").into());
            }
            flight.seen |= bit;
            if flight.seen.count_ones() as usize == flight.numbers.len() {
                landed.push(self.flights.swap_remove(place).since);
            }
        }
        Ok(Some(landed))
    }

    /// How many bytes came, and after how many of them each datagram ends.
    fn receive_into(&self, buffer: &mut [u8]) -> Result<Option<(usize, usize)>> {
        if !self.segments {
            return match self.socket.recv(buffer) {
                Ok(count) => Ok(Some((count, count))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        let mut space = nix::cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(buffer)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let message = match recvmsg::<()>(fd, &mut parts, Some(&mut space), flags) {
            Err(Errno::EAGAIN) => return Ok(None),
            result => result?,
        };
        let size = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
            _ => None,
        });
        Ok(Some((message.bytes, size.unwrap_or(message.bytes))))
    }
}
