use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

use super::wire::{Control, Name};

/// The most datagrams, or trains of them, that are given to one call.
const MOST: usize = 32;

/// How many datagrams the kernel lets a train have, and how many bytes.
const MOST_SEGMENTS: usize = 64;
const MOST_BYTES: usize = 65_000;

/// Gathers datagrams of a UDP socket and sends them in batches, by `sendmmsg(2)`; those that
/// follow each other, of one size and to one receiver, as one train (`UDP_SEGMENT`).
#[derive(Default)]
pub struct Outbox {
    /// The bytes of all, one after the other.
    data: Vec<u8>,
    messages: Vec<Message>,
    /// How many of them have been sent or skipped.
    next: usize,
}

/// One datagram, or a train of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    data: Range<usize>,
    /// To whom.
    pub to: SocketAddr,
    source: Option<IpAddr>,
    /// The size of each datagram but the last, which may be shorter.
    pub segment: usize,
    /// How many datagrams it is.
    pub segments: usize,
}

impl Message {
    /// Whether a datagram of `len` bytes may join it.
    fn takes(&self, len: usize, to: SocketAddr, source: Option<IpAddr>) -> bool {
        // A shorter one ends the train, and an empty one cannot be told apart in it.
        let is_open = self.data.len() == self.segment * self.segments;
        let fits = self.segments < MOST_SEGMENTS && self.data.len() + len <= MOST_BYTES;
        is_open
            && fits
            && (1..=self.segment).contains(&len)
            && (self.to, self.source) == (to, source)
    }
}

impl Outbox {
    /// Adds a datagram, to be sent from the address `source` of this host if there is one. It may
    /// join a train if it is not longer than `longest`.
    pub fn push(&mut self, data: &[u8], to: SocketAddr, source: Option<IpAddr>, longest: usize) {
        let begin = self.data.len();
        self.data.extend_from_slice(data);
        let end = self.data.len();
        if let Some(last) = self.messages[self.next..].last_mut()
            && last.segment <= longest
            && last.takes(data.len(), to, source)
        {
            last.data.end = end;
            last.segments += 1;
            return;
        }
        let segment = data.len();
        self.messages.push(Message { data: begin..end, to, source, segment, segments: 1 });
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.next >= self.messages.len()
    }

    /// How many datagrams and trains there are to send.
    pub fn len(&self) -> usize {
        self.messages.len() - self.next
    }

    /// How many bytes have been gathered since it was last empty.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// What is sent next.
    pub fn front(&self) -> Option<&Message> {
        self.messages.get(self.next)
    }

    /// Gives up what would be sent next.
    pub fn skip(&mut self) -> Option<Message> {
        let message = self.front().cloned();
        self.done(usize::from(message.is_some()));
        message
    }

    /// Lets the datagrams of what is sent next go one by one.
    pub fn split(&mut self) {
        let Some(train) = self.front().cloned() else { return };
        let step = train.segment.max(1);
        let singles = (0..train.segments).map(|at| {
            let begin = train.data.start + at * step;
            let data = begin..(begin + train.segment).min(train.data.end);
            Message { segment: data.len(), data, segments: 1, ..train.clone() }
        });
        self.messages.splice(self.next..=self.next, singles.collect::<Vec<_>>());
    }

    /// Sends all. Never waits.
    ///
    /// # Errors
    ///
    /// Why the [`front`](Self::front) could not be sent; all before it have been. `WouldBlock`
    /// when there is no room in the socket's buffer; else as `sendmmsg(2)` has them. A kernel, or
    /// a device, that knows no trains refuses one with `EIO`, `EINVAL`, `EMSGSIZE`, `ENOPROTOOPT`
    /// or `EOPNOTSUPP`.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        while !self.is_empty() {
            let sent = self.send_batch(socket)?;
            self.done(sent);
        }
        Ok(())
    }

    fn send_batch(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut names = [Name::EMPTY; MOST];
        let mut controls = [Control::EMPTY; MOST];
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST];
        // SAFETY: all of its fields are numbers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
        let count = self.len().min(MOST);
        let entries = headers.iter_mut().zip(&mut parts).zip(&mut names).zip(&mut controls);
        for ((((header, part), name), control), message) in entries.zip(&self.messages[self.next..])
        {
            let data = &self.data[message.data.clone()];
            *part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
            let segment = (message.segments > 1).then_some(message.segment as u16);
            let header = &mut header.msg_hdr;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_namelen = name.put(message.to) as libc::socklen_t;
            header.msg_name = name.0.as_mut_ptr().cast();
            header.msg_controllen = control.put(message.source, segment) as _;
            header.msg_control = control.0.as_mut_ptr().cast();
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the first `count` headers point to memory that lives in this function or in this
        // outbox, and tell its true size; the kernel only reads it.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as _, flags as _)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn done(&mut self, count: usize) {
        self.next += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.data.clear();
        self.messages.clear();
        self.next = 0;
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("len", &self.len()).field("bytes", &self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::{MOST, MOST_SEGMENTS, Outbox};

    fn pair() -> (UdpSocket, UdpSocket) {
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (ours, theirs)
    }

    fn lens(socket: &UdpSocket, count: usize) -> Vec<usize> {
        let mut buf = [0; 2048];
        (0..count).map(|_| socket.recv(&mut buf).unwrap()).collect()
    }

    #[test]
    fn what_is_of_one_size_goes_as_a_train() {
        let (ours, theirs) = pair();
        let to = theirs.local_addr().unwrap();
        let mut outbox = Outbox::default();
        for _ in 0..MOST_SEGMENTS + 1 {
            outbox.push(&[0; 100], to, None, 100);
        }
        assert_eq!(outbox.len(), 2);
        for len in [100, 7, 7, 0, 0, 7] {
            outbox.push(&vec![0; len], to, None, 100);
        }
        // 64 | 1 + 1 + the shorter | 7 | 0 | 0 | 7
        assert_eq!(outbox.len(), 6);
        outbox.send(ours.as_fd()).unwrap();
        let mut expected = vec![100; MOST_SEGMENTS + 2];
        expected.extend([7, 7, 0, 0, 7]);
        assert_eq!(lens(&theirs, expected.len()), expected);
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }

    #[test]
    fn a_train_can_be_split() {
        let (ours, theirs) = pair();
        let to = theirs.local_addr().unwrap();
        let mut outbox = Outbox::default();
        for len in [9, 9, 4, 9] {
            outbox.push(&vec![0; len], to, None, 100);
        }
        outbox.split();
        assert_eq!(outbox.len(), 4);
        outbox.send(ours.as_fd()).unwrap();
        assert_eq!(lens(&theirs, 4), [9, 9, 4, 9]);
    }

    /// What an old kernel does.
    #[test]
    fn a_train_that_is_refused_can_go_in_parts() {
        let (ours, theirs) = pair();
        crate::datagram::refuse_trains(ours.as_fd()).unwrap();
        let mut outbox = Outbox::default();
        for len in [9, 9, 4] {
            outbox.push(&vec![0; len], theirs.local_addr().unwrap(), None, 100);
        }
        // EINVAL
        assert_eq!(outbox.send(ours.as_fd()).unwrap_err().raw_os_error(), Some(22));
        outbox.split();
        outbox.send(ours.as_fd()).unwrap();
        assert_eq!(lens(&theirs, 3), [9, 9, 4]);
    }

    #[test]
    fn the_one_that_fails_is_in_front_and_can_be_skipped() {
        let (ours, theirs) = pair();
        let to = theirs.local_addr().unwrap();
        let mut outbox = Outbox::default();
        for _ in 0..MOST {
            outbox.push(b"x", to, None, 0);
        }
        let nowhere = "[::1]:9".parse().unwrap();
        outbox.push(b"lost", nowhere, None, 0);
        outbox.push(b"after", to, None, 0);
        // EAFNOSUPPORT: an IPv4 socket reaches no IPv6 address.
        assert_eq!(outbox.send(ours.as_fd()).unwrap_err().raw_os_error(), Some(97));
        assert_eq!(outbox.skip().unwrap().to, nowhere);
        outbox.send(ours.as_fd()).unwrap();
        let mut expected = [1; MOST + 1];
        expected[MOST] = 5;
        assert_eq!(lens(&theirs, MOST + 1), expected);
    }
}
