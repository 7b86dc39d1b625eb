use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use super::wire::{Control, Name};
use super::{Received, UnixName};

/// The most datagrams, or trains of them, that are received by one call.
const MOST: usize = 32;

/// How many are asked for at first: to ask for many costs something even if there are few.
const FEWEST: usize = 4;

/// The largest train that the kernel makes of the datagrams of one sender.
const TRAIN: usize = 64 * 1024;

/// Asks the kernel to hand over several datagrams of one sender as one train: `UDP_GRO`. Only an
/// [`Inbox`] may receive from the socket afterwards.
///
/// # Errors
///
/// `ENOPROTOOPT` where the kernel does not know it (before Linux 5.0); else as `setsockopt(2)` has
/// them.
pub fn receive_trains(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setsockopt(&socket, sockopt::UdpGroSegment, &true)?)
}

/// Makes the kernel refuse to send trains from a socket, as an old one does: without checksums
/// there are none. For tests.
///
/// # Errors
///
/// As `setsockopt(2)` has them.
#[doc(hidden)]
pub fn refuse_trains(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: i32 = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    let (level, option, fd) = (libc::SOL_SOCKET, libc::SO_NO_CHECK, socket.as_raw_fd());
    // SAFETY: the option's value is read from an `i32` that lives here, of which it tells the size.
    match unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Receives datagrams in batches, by `recvmmsg(2)`, and gives them one by one.
///
/// Its memory is used again for each batch; of what is reserved for the largest datagrams, pages
/// that nothing was received into cost nothing.
pub struct Inbox {
    /// A part of `size` bytes for each of the batch.
    slab: Vec<u8>,
    size: usize,
    /// The longest datagram that is given whole.
    limit: usize,
    names: Box<[Name; MOST]>,
    controls: Box<[Control; MOST]>,
    heads: Box<[Head; MOST]>,
    /// How many are in the batch, and which of them is the next.
    count: usize,
    next: usize,
    /// How much of that one has been given.
    offset: usize,
    /// How many the next batch may have.
    asked: usize,
}

/// What the kernel said of one of the batch.
#[derive(Clone, Copy, Default)]
struct Head {
    len: usize,
    name: usize,
    control: usize,
    flags: i32,
}

impl Inbox {
    /// An inbox for datagrams of up to `limit` bytes; of a longer one the end is lost. `trains`
    /// says that [`receive_trains`] was called.
    pub fn new(limit: usize, trains: bool) -> Self {
        let size = if trains { limit.max(TRAIN) } else { limit };
        Self {
            // Zeroed pages of the kernel's, which are not touched here.
            slab: vec![0; size * MOST],
            size,
            limit,
            names: Box::new([Name::EMPTY; MOST]),
            controls: Box::new([Control::EMPTY; MOST]),
            heads: Box::new([Head::default(); MOST]),
            count: 0,
            next: 0,
            offset: 0,
            asked: FEWEST,
        }
    }

    /// Whether all of the last batch has been given.
    pub fn is_empty(&self) -> bool {
        self.next >= self.count
    }

    /// Receives the next batch. Never waits.
    ///
    /// Returns whether that was all there was: what comes later makes the socket readable anew.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as `recvmmsg(2)` has them.
    ///
    /// # Panics
    ///
    /// When not all of the last batch has been given.
    pub fn recv(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        assert!(self.is_empty(), "a batch would be lost");
        (self.count, self.next, self.offset) = (0, 0, 0);
        let asked = self.asked;
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST];
        // SAFETY: all of its fields are numbers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
        // With a size of zero there would be no parts.
        let slab = self.slab.chunks_exact_mut(self.size.max(1)).map(Some);
        let rooms = slab.chain(std::iter::repeat_with(|| None));
        let entries = headers.iter_mut().zip(&mut parts).zip(rooms);
        let entries = entries.zip(self.names.iter_mut()).zip(self.controls.iter_mut());
        for ((((header, part), room), name), control) in entries.take(asked) {
            if let Some(room) = room {
                *part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            }
            let header = &mut header.msg_hdr;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_name = name.0.as_mut_ptr().cast();
            header.msg_namelen = name.0.len() as libc::socklen_t;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len() as _;
        }
        let flags = libc::MSG_DONTWAIT as _;
        let no_timeout = std::ptr::null_mut();
        // SAFETY: the first `asked` of the headers point to memory of this inbox, which is
        // borrowed exclusively and not otherwise touched, and tell its true size.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), asked as _, flags, no_timeout)
        };
        let Ok(count) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::WouldBlock {
                self.asked = FEWEST;
            }
            return Err(error);
        };
        #[allow(clippy::unnecessary_cast, reason = "it is no usize with every C library")]
        for (head, header) in self.heads.iter_mut().zip(&headers[..count]) {
            *head = Head {
                len: header.msg_len as usize,
                name: header.msg_hdr.msg_namelen as usize,
                control: header.msg_hdr.msg_controllen as usize,
                flags: header.msg_hdr.msg_flags,
            };
        }
        self.count = count;
        self.asked = (count * 2).clamp(FEWEST, MOST);
        Ok(count < asked)
    }

    /// Gives the next datagram of the batch of a UDP socket.
    ///
    /// # Errors
    ///
    /// `InvalidData` for one whose sender is at no internet address.
    pub fn next_udp(&mut self) -> Option<io::Result<(&[u8], Received<SocketAddr>)>> {
        let (at, head) = self.head()?;
        let told = self.controls[at].told(head.control);
        let (offset, len, truncated) = self.advance(head, told.segment.unwrap_or(head.len));
        let Some(sender) = self.names[at].inet(head.name) else {
            return Some(Err(io::ErrorKind::InvalidData.into()));
        };
        let begin = at * self.size + offset;
        let received = Received { len, truncated, sender, destination: told.destination };
        Some(Ok((&self.slab[begin..begin + len], received)))
    }

    /// Gives the next datagram of the batch of a Unix socket.
    pub fn next_unix(&mut self) -> Option<(&[u8], Received<UnixName>)> {
        let (at, head) = self.head()?;
        let (offset, len, truncated) = self.advance(head, head.len);
        let sender = self.names[at].unix(head.name);
        let begin = at * self.size + offset;
        let received = Received { len, truncated, sender, destination: None };
        Some((&self.slab[begin..begin + len], received))
    }

    fn head(&self) -> Option<(usize, Head)> {
        (!self.is_empty()).then(|| (self.next, self.heads[self.next]))
    }

    /// Goes on by one datagram of at most `segment` bytes. Returns where in its part it begins,
    /// how many of its bytes are given, and whether there were more.
    fn advance(&mut self, head: Head, segment: usize) -> (usize, usize, bool) {
        let offset = self.offset;
        let left = head.len - offset;
        let len = if segment == 0 { left } else { left.min(segment) };
        let is_last = len == left;
        if is_last {
            (self.next, self.offset) = (self.next + 1, 0);
        } else {
            self.offset += len;
        }
        let is_cut = is_last && head.flags & libc::MSG_TRUNC != 0;
        (offset, len.min(self.limit), is_cut || len > self.limit)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("limit", &self.limit)
            .field("count", &self.count)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::WouldBlock;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::{Inbox, MOST, receive_trains};
    use crate::datagram::{Outbox, UnixName, tell_destination};
    use crate::descriptor::{Interest, wait};

    /// Takes `count` datagrams off a socket, in however many batches.
    fn take(socket: &UdpSocket, inbox: &mut Inbox, count: usize) -> Vec<(Vec<u8>, bool)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            match inbox.next_udp() {
                Some(given) => {
                    let (data, received) = given.unwrap();
                    taken.push((data.to_vec(), received.truncated));
                }
                None => {
                    wait([(Some(socket.as_fd()), Interest::Read)], None).unwrap();
                    inbox.recv(socket.as_fd()).unwrap();
                }
            }
        }
        taken
    }

    #[test]
    fn a_batch_is_given_in_order_whole_or_told_to_be_cut() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut inbox = Inbox::new(3, false);
        assert_eq!(inbox.recv(server.as_fd()).unwrap_err().kind(), WouldBlock);
        let sent: Vec<Vec<u8>> = (0..MOST + 9).map(|len| vec![len as u8; len % 5]).collect();
        for datagram in &sent {
            client.send(datagram).unwrap();
        }
        let expected: Vec<_> =
            sent.iter().map(|it| (it[..it.len().min(3)].to_vec(), it.len() > 3)).collect();
        assert_eq!(take(&server, &mut inbox, sent.len()), expected);
        assert!(inbox.is_empty());
        assert_eq!(inbox.recv(server.as_fd()).unwrap_err().kind(), WouldBlock);
    }

    #[test]
    fn a_train_is_given_as_its_datagrams() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let server = UdpSocket::bind(address).unwrap();
            receive_trains(server.as_fd()).unwrap();
            tell_destination(server.as_fd(), server.local_addr().unwrap().is_ipv6()).unwrap();
            let client = UdpSocket::bind(address).unwrap();
            let to = server.local_addr().unwrap();
            let mut outbox = Outbox::default();
            for _ in 0..9 {
                outbox.push(&[1; 100], to, None, usize::MAX);
            }
            outbox.push(&[2; 60], to, None, usize::MAX);
            outbox.push(&[3; 100], to, None, usize::MAX);
            assert_eq!(outbox.len(), 2, "calls that go to the kernel");
            outbox.send(client.as_fd()).unwrap();

            let mut inbox = Inbox::new(90, true);
            let taken = take(&server, &mut inbox, 11);
            let lens: Vec<_> = taken.iter().map(|(data, cut)| (data.len(), *cut)).collect();
            let mut expected = [(90, true); 11];
            expected[9] = (60, false);
            assert_eq!(lens, expected);
            assert!(inbox.is_empty());
        }
    }

    #[test]
    fn the_senders_name_comes_with_each() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.send(b"one").unwrap();
        theirs.send(b"").unwrap();
        let mut inbox = Inbox::new(16, false);
        assert!(inbox.recv(ours.as_fd()).unwrap(), "that was all");
        let (data, received) = inbox.next_unix().unwrap();
        assert_eq!((data, received.sender), (&b"one"[..], UnixName::Unnamed));
        assert_eq!(inbox.next_unix().unwrap().0, b"");
        assert!(inbox.next_unix().is_none());
    }
}
