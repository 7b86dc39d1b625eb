//! Completions, by `io_uring(7)`.
//!
//! An operation is handed to the kernel and done by it; at the end of a turn all that the
//! coroutines have asked for goes in one system call. Nothing of a coroutine's is lent to the
//! kernel: it receives into buffers of the ring, and sends what has been copied or moved to it. So
//! a coroutine may give up a wait at any time, and its stack may be moved away.
//!
//! A socket has at most one receive in flight, and only while somebody waits for input: whoever
//! reads the descriptor itself later finds everything that nobody has asked for.

mod listener;
mod socket;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use socketserver_sys::descriptor::Interest;
use socketserver_sys::socket::is_listening;

use self::listener::Listener;
use self::socket::{Receiving, Sending, Socket};
use super::table::Table;
use super::timeout::Timeout;
use super::{Attempt, Watched};
use crate::ring::{Carried, Completion, Config, Peer, Ring};
use crate::scheduler::Id;

/// The most that one send takes.
const CHUNK: usize = 64 * 1024;

/// How often the kernel is asked whether it has cancelled what was cancelled.
const UNWATCHING: usize = 16;

/// How many vectors are kept to send from, and how large they may be for that.
const SPARE: usize = 256;
const SPARE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Uring {
    ring: Ring,
    /// What is known of adopted sockets, by their number.
    sockets: Table<Socket>,
    listeners: HashMap<RawFd, Listener>,
    /// To be told by the next wait.
    woken: Vec<Id>,
    /// Sockets whose receive found no buffer free.
    starved: Vec<RawFd>,
    spare: Vec<Vec<u8>>,
}

/// What a completion belongs to, as the ring's token.
#[derive(Clone, Copy, Debug)]
enum Token {
    Receive(RawFd, u32),
    Send(RawFd, u32),
    Accept(RawFd),
    Watch(Id),
    WakeUp,
}

const GENERATIONS: u32 = u32::MAX >> 4;

impl Token {
    fn to_bits(self) -> u64 {
        let of = |kind: u64, fd: RawFd, generation: u32| {
            kind << 60 | u64::from(generation) << 32 | u64::from(fd.unsigned_abs())
        };
        match self {
            Self::Receive(fd, generation) => of(0, fd, generation),
            Self::Send(fd, generation) => of(1, fd, generation),
            Self::Accept(fd) => of(2, fd, 0),
            Self::WakeUp => of(3, 0, 0),
            Self::Watch(id) => 1 << 63 | id.to_bits(),
        }
    }

    fn from_bits(bits: u64) -> Self {
        if bits >> 63 == 1 {
            return Self::Watch(Id::from_bits(bits));
        }
        let fd = (bits & u64::from(u32::MAX >> 1)) as RawFd;
        let generation = (bits >> 32) as u32 & GENERATIONS;
        match bits >> 60 {
            0 => Self::Receive(fd, generation),
            1 => Self::Send(fd, generation),
            2 => Self::Accept(fd),
            _ => Self::WakeUp,
        }
    }
}

impl Uring {
    pub(super) fn new(wake_up: BorrowedFd<'_>) -> io::Result<Self> {
        let mut ring = Ring::new(&Config::default())?;
        ring.poll_multi(wake_up, READABLE, Token::WakeUp.to_bits());
        Ok(Self {
            ring,
            sockets: Table::new(),
            listeners: HashMap::new(),
            woken: Vec::new(),
            starved: Vec::new(),
            spare: Vec::new(),
        })
    }

    pub(super) fn adopt(&mut self, fd: RawFd) {
        let index = index(fd);
        let generation = self.sockets.next_generation() & GENERATIONS;
        let fresh =
            Socket { generation, is_adopted: true, may_have_input: true, ..Socket::default() };
        self.sockets.insert(index, fresh);
    }

    pub(super) fn release(&mut self, fd: RawFd) {
        let Some(socket) = self.sockets.get_mut(index(fd)).filter(|socket| socket.is_adopted)
        else {
            return;
        };
        let is_at_end = socket.is_at_end;
        let generation = socket.generation;
        if let Receiving::InFlight(operation) = socket.receiving {
            self.ring.cancel(operation);
        }
        if let Some(Sending { operation, .. }) = socket.sending {
            self.ring.cancel(operation);
        }
        *socket = Socket { generation, is_at_end, ..Socket::default() };
        self.sockets.free(index(fd));
    }

    pub(super) fn close(&mut self, fd: OwnedFd) {
        self.ring.close(fd);
    }

    pub(super) fn timeout(&mut self, fd: RawFd) -> Option<Option<Duration>> {
        self.socket(fd).map(|socket| socket.timeout.get())
    }

    pub(super) fn set_timeout(&mut self, fd: RawFd, timeout: Option<Duration>) {
        if let Some(socket) = self.socket(fd) {
            socket.timeout = Timeout::new(timeout);
        }
    }

    pub(super) fn is_at_end(&mut self, fd: RawFd) -> bool {
        // Asked after the release too, up to the close.
        self.sockets.get(index(fd)).is_some_and(|socket| socket.is_at_end)
    }

    /// There is nothing to note: what is in flight finds it.
    pub(super) fn expect_input(&mut self, _: RawFd) {}

    pub(super) fn input(&mut self, fd: BorrowedFd<'_>, want: usize, id: Id) -> Attempt<()> {
        let Some(socket) = self.socket(fd.as_raw_fd()) else {
            return Attempt::Done(Ok(()));
        };
        if socket.has_received() {
            return Attempt::Done(Ok(()));
        }
        socket.readers.add(id);
        self.receive(fd, want);
        Attempt::Wait
    }

    pub(super) fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        buf: &mut [u8],
        id: Id,
        at_last: bool,
    ) -> Attempt<usize> {
        let number = fd.as_raw_fd();
        if at_last {
            // What has been done by now comes before the time-out.
            let _ = self.turn(0, None);
        }
        let Some(socket) = self.socket(number) else {
            return Attempt::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Some(result) = socket.take_received(buf) {
            return Attempt::Done(result);
        }
        socket.readers.add(id);
        if !at_last {
            self.receive(fd, buf.len());
        }
        Attempt::Wait
    }

    /// Has a receive in flight.
    fn receive(&mut self, fd: BorrowedFd<'_>, want: usize) {
        let number = fd.as_raw_fd();
        let Some(socket) = self.sockets.get_mut(index(number)) else { return };
        if !matches!(socket.receiving, Receiving::Idle) {
            return;
        }
        let token = Token::Receive(number, socket.generation).to_bits();
        let want = u32::try_from(want).unwrap_or(u32::MAX);
        let operation = match socket.may_have_input {
            true => self.ring.recv(fd, want, token),
            false => self.ring.recv_later(fd, want, token),
        };
        socket.receiving = Receiving::InFlight(operation);
    }

    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, buf: &[u8], id: Id) -> Attempt<usize> {
        let number = fd.as_raw_fd();
        let Some(socket) = self.sockets.get_mut(index(number)).filter(|it| it.is_adopted) else {
            return Attempt::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        if socket.sent.as_ref().is_some_and(|(sender, _)| *sender == id)
            && let Some((_, result)) = socket.sent.take()
        {
            socket.writers.wake(&mut self.woken);
            return Attempt::Done(result);
        }
        if let Some(error) = socket.failed_behind.take() {
            return Attempt::Done(Err(error));
        }
        socket.writers.add(id);
        if socket.sending.is_none() && socket.sent.is_none() {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.extend_from_slice(&buf[..buf.len().min(CHUNK)]);
            let token = Token::Send(number, socket.generation).to_bits();
            let len = bytes.len();
            let operation = self.ring.send(fd, bytes, 0..len, token);
            socket.sending = Some(Sending { operation, sender: Some(id) });
        }
        Attempt::Wait
    }

    /// Sends all of `bytes` in its own time, and takes them.
    pub(super) fn send_behind(
        &mut self,
        fd: BorrowedFd<'_>,
        bytes: &mut Vec<u8>,
        id: Id,
    ) -> Attempt<()> {
        let number = fd.as_raw_fd();
        let Some(socket) = self.sockets.get_mut(index(number)).filter(|it| it.is_adopted) else {
            return Attempt::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Some(error) = socket.failed_behind.take() {
            return Attempt::Done(Err(error));
        }
        if socket.sending.is_some() || socket.sent.is_some() {
            socket.writers.add(id);
            return Attempt::Wait;
        }
        if !bytes.is_empty() {
            let spare = self.spare.pop().unwrap_or_default();
            let bytes = std::mem::replace(bytes, spare);
            let token = Token::Send(number, socket.generation).to_bits();
            let len = bytes.len();
            let operation = self.ring.send(fd, bytes, 0..len, token);
            socket.sending = Some(Sending { operation, sender: None });
        }
        Attempt::Done(Ok(()))
    }

    /// Whether all that was sent has been; else it is waited for.
    pub(super) fn flush(&mut self, fd: RawFd, id: Id) -> Attempt<()> {
        let Some(socket) = self.socket(fd) else {
            return Attempt::Done(Ok(()));
        };
        if let Some(error) = socket.failed_behind.take() {
            return Attempt::Done(Err(error));
        }
        if socket.sending.is_none() {
            return Attempt::Done(Ok(()));
        }
        socket.writers.add(id);
        Attempt::Wait
    }

    /// Takes back what is being sent for a coroutine; what came of it is told soon. False if
    /// nothing is.
    pub(super) fn withdraw(&mut self, fd: RawFd, id: Id) -> bool {
        let Some(socket) = self.sockets.get_mut(index(fd)) else {
            return false;
        };
        match &socket.sending {
            Some(Sending { operation, sender }) if *sender == Some(id) => {
                self.ring.cancel(*operation);
                true
            }
            _ => false,
        }
    }

    pub(super) fn give_up(&mut self, fd: RawFd, interest: Interest, id: Id) {
        let Some(socket) = self.sockets.get_mut(index(fd)).filter(|it| it.is_adopted) else {
            return;
        };
        let mut is_cancelled = false;
        match interest {
            Interest::Read => {
                socket.readers.remove(id);
                if let Receiving::InFlight(operation) = socket.receiving
                    && socket.readers.is_empty()
                {
                    self.ring.cancel(operation);
                    socket.receiving = Receiving::Cancelled;
                    is_cancelled = true;
                }
            }
            Interest::Write => {
                socket.writers.remove(id);
                if socket.sent.as_ref().is_some_and(|(sender, _)| *sender == id) {
                    socket.sent = None;
                    socket.writers.wake(&mut self.woken);
                }
                if let Some(sending) = &mut socket.sending
                    && sending.sender == Some(id)
                {
                    self.ring.cancel(sending.operation);
                    sending.sender = None;
                    is_cancelled = true;
                }
            }
        }
        if is_cancelled {
            // Both go to the kernel while the number is still this socket's: a wait that is cut
            // at once ends in the turn that has asked for it.
            let _ = self.turn(0, None);
        }
    }

    pub(super) fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        id: Id,
    ) -> io::Result<Watched> {
        let events = match interest {
            Interest::Read => READABLE,
            Interest::Write => WRITABLE,
        };
        Ok(Watched::Operation(self.ring.poll(fd, events, Token::Watch(id).to_bits())))
    }

    pub(super) fn watch_shared(
        &mut self,
        fd: BorrowedFd<'_>,
        id: Id,
        is_alone: bool,
    ) -> io::Result<Watched> {
        let number = fd.as_raw_fd();
        let listener = self.listeners.entry(number).or_default();
        listener.waiter = Some(id);
        // Of several workers, one that is busy would keep the connection that the kernel has
        // accepted for it. And a socket for datagrams has no connections.
        listener.accepts = is_alone && is_listening(fd).unwrap_or(false);
        listener.fill(&mut self.ring, fd, Token::Accept(number).to_bits());
        Ok(Watched::Listener(number))
    }

    /// A connection that the kernel has accepted already; `None` if it was not told to.
    pub(super) fn accept(&mut self, fd: BorrowedFd<'_>) -> Option<io::Result<(OwnedFd, Peer)>> {
        let number = fd.as_raw_fd();
        let listener = self.listeners.get_mut(&number)?;
        match listener.accepted.pop_front() {
            Some(Ok(accepted)) => Some(Ok(accepted)),
            // The others of the same moment have failed for the same reason. Whoever asks finds it
            // out by accepting itself, and may do so with a descriptor that it gives up for that.
            Some(Err(_)) => {
                listener.accepted.retain(Result::is_ok);
                listener.has_failed = true;
                None
            }
            None if listener.accepts && listener.waiter.is_some() && !listener.has_failed => {
                Some(Err(io::ErrorKind::WouldBlock.into()))
            }
            None => None,
        }
    }

    /// Makes sure that the coroutine which watches a listening socket is woken for a connection.
    /// False if there is one already.
    pub(super) fn watch_again(&mut self, fd: BorrowedFd<'_>) -> bool {
        let number = fd.as_raw_fd();
        let Some(listener) = self.listeners.get_mut(&number) else {
            return true;
        };
        listener.has_failed = false;
        listener.fill(&mut self.ring, fd, Token::Accept(number).to_bits());
        listener.accepted.is_empty()
    }

    pub(super) fn unwatch(&mut self, watched: &Watched) {
        match watched {
            Watched::Operation(operation) => self.ring.cancel(*operation),
            Watched::Listener(number) => {
                if let Some(listener) = self.listeners.get_mut(number) {
                    listener.waiter = None;
                    listener.cancel(&mut self.ring);
                }
                // Cancelled before anybody is told that it is: at once, as a rule.
                for _ in 0..UNWATCHING {
                    if self.turn(0, None).is_err() || self.is_quiet(*number) {
                        return;
                    }
                }
            }
            Watched::Always | Watched::Number(_) | Watched::Duplicate(_) => {}
        }
    }

    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        woken: &mut Vec<Id>,
    ) -> io::Result<()> {
        for fd in std::mem::take(&mut self.starved) {
            if let Some(socket) = self.socket(fd) {
                // Those who wait try again, for by now they may have given buffers back.
                let mut readers = std::mem::take(&mut socket.readers);
                readers.wake(&mut self.woken);
            }
        }
        let may_wait = timeout != Some(Duration::ZERO) && self.woken.is_empty();
        let waited = self.turn(u32::from(may_wait), timeout.filter(|_| may_wait));
        woken.append(&mut self.woken);
        waited
    }

    /// Submits what has been asked for, waits for `min` completions, and takes all there are.
    fn turn(&mut self, min: u32, timeout: Option<Duration>) -> io::Result<()> {
        let submitted = self.ring.submit_and_wait(min, timeout);
        while let Some(completion) = self.ring.pop() {
            self.completed(completion);
        }
        submitted
    }

    fn completed(&mut self, completion: Completion) {
        match Token::from_bits(completion.token) {
            Token::WakeUp => {}
            Token::Watch(id) => self.woken.push(id),
            Token::Accept(fd) => {
                if let Some(listener) = self.listeners.get_mut(&fd) {
                    listener.completed(completion);
                    self.woken.extend(listener.waiter);
                }
            }
            Token::Receive(fd, generation) => {
                if let Some(socket) = self.of(fd, generation) {
                    let is_starved = socket.received(completion);
                    let mut readers = std::mem::take(&mut socket.readers);
                    if is_starved {
                        self.sockets[index(fd)].readers = readers;
                        self.starved.push(fd);
                    } else {
                        readers.wake(&mut self.woken);
                    }
                }
            }
            Token::Send(fd, generation) => {
                let Completion { result, carried, .. } = completion;
                if let Carried::Bytes(mut bytes) = carried
                    && self.spare.len() < SPARE
                    && bytes.capacity() <= SPARE_BYTES
                {
                    bytes.clear();
                    self.spare.push(bytes);
                }
                if let Some(socket) = self.of(fd, generation) {
                    socket.sent(result);
                    let mut writers = std::mem::take(&mut socket.writers);
                    writers.wake(&mut self.woken);
                }
            }
        }
    }

    fn is_quiet(&self, number: RawFd) -> bool {
        self.listeners.get(&number).is_none_or(Listener::is_quiet)
    }

    fn of(&mut self, fd: RawFd, generation: u32) -> Option<&mut Socket> {
        self.socket(fd).filter(|socket| socket.generation == generation)
    }

    fn socket(&mut self, fd: RawFd) -> Option<&mut Socket> {
        self.sockets.get_mut(index(fd)).filter(|socket| socket.is_adopted)
    }
}

const READABLE: u32 = libc::POLLIN as u32;
const WRITABLE: u32 = libc::POLLOUT as u32;

fn index(fd: RawFd) -> usize {
    fd.unsigned_abs() as usize
}
