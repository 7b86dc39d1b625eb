//! Readiness, by `epoll(7)`.
//!
//! An adopted socket is registered once, when it is first waited for, edge-triggered for input and
//! output. What is known of it saves the calls that would only say `EAGAIN`: a receive that did not
//! fill its buffer has emptied the socket, and is not tried again before the kernel tells of more.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socketserver_sys::descriptor::Interest;

use super::table::Table;
use super::timeout::Timeout;
use super::waiters::Waiters;
use super::{Attempt, Watched};
use crate::scheduler::Id;

/// How many events are taken at a time.
const EVENTS: usize = 256;

/// The key of the wake-up from other threads.
const WAKE_UP: u64 = u64::MAX;

/// Set in the keys of adopted sockets; the others are those of coroutines.
const ADOPTED: u64 = 1 << 63;

pub(crate) struct Epoll {
    epoll: OwnedFd,
    /// What is known of adopted sockets, by their number.
    sockets: Table<Socket>,
    events: Vec<Event>,
}

#[derive(Debug, Default)]
struct Socket {
    /// Counts who has had the number, so that a late event of one is not taken for the next's.
    generation: u32,
    is_adopted: bool,
    is_registered: bool,
    /// There is nothing to receive, as far as is known.
    is_drained: bool,
    /// The peer has ended: from now on a receive that falls short does not mean that it is drained.
    has_hung_up: bool,
    is_at_end: bool,
    /// There is no room to send into, as far as is known.
    is_full: bool,
    timeout: Timeout,
    readers: Waiters,
    writers: Waiters,
}

impl Epoll {
    pub(super) fn new(wake_up: BorrowedFd<'_>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, wake_up, EventData::new_u64(WAKE_UP), flags)?;
        Ok(Self { epoll, sockets: Table::new(), events: Vec::with_capacity(EVENTS) })
    }

    pub(super) fn adopt(&mut self, fd: RawFd) {
        let index = index(fd);
        let generation = self.sockets.next_generation() & (u32::MAX >> 1);
        let socket = Socket { generation, is_adopted: true, ..Socket::default() };
        self.sockets.insert(index, socket);
    }

    pub(super) fn release(&mut self, fd: RawFd) {
        if let Some(socket) = self.socket(fd) {
            socket.is_adopted = false;
        }
        self.sockets.free(index(fd));
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

    pub(super) fn input(&mut self, fd: BorrowedFd<'_>, _want: usize, id: Id) -> Attempt<()> {
        let Some(socket) = self.socket(fd.as_raw_fd()).filter(|socket| socket.is_drained) else {
            return Attempt::Done(Ok(()));
        };
        socket.readers.add(id);
        self.register(fd)
    }

    pub(super) fn expect_input(&mut self, fd: RawFd) {
        if let Some(socket) = self.socket(fd) {
            socket.is_drained = false;
        }
    }

    pub(super) fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        buf: &mut [u8],
        id: Id,
        at_last: bool,
    ) -> Attempt<usize> {
        let Some(socket) = self.socket(fd.as_raw_fd()) else {
            return Attempt::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        if !socket.is_drained || at_last {
            match rustix::net::recv(fd, &mut *buf, RecvFlags::DONTWAIT) {
                Ok((len, _)) => {
                    socket.is_at_end = len == 0 && !buf.is_empty();
                    socket.is_drained = len < buf.len() && !socket.has_hung_up;
                    return Attempt::Done(Ok(len));
                }
                Err(Errno::AGAIN) => socket.is_drained = true,
                Err(error) => return Attempt::Done(Err(error.into())),
            }
        }
        socket.readers.add(id);
        self.register(fd)
    }

    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, buf: &[u8], id: Id) -> Attempt<usize> {
        let Some(socket) = self.socket(fd.as_raw_fd()) else {
            return Attempt::Done(Err(io::ErrorKind::NotConnected.into()));
        };
        if !socket.is_full {
            match rustix::net::send(fd, buf, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(len) => {
                    socket.is_full = len < buf.len();
                    return Attempt::Done(Ok(len));
                }
                Err(Errno::AGAIN) => socket.is_full = true,
                Err(error) => return Attempt::Done(Err(error.into())),
            }
        }
        socket.writers.add(id);
        self.register(fd)
    }

    pub(super) fn give_up(&mut self, fd: RawFd, interest: Interest, id: Id) {
        if let Some(socket) = self.socket(fd) {
            match interest {
                Interest::Read => socket.readers.remove(id),
                Interest::Write => socket.writers.remove(id),
            }
        }
    }

    pub(super) fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        id: Id,
    ) -> io::Result<Watched> {
        let flags = match interest {
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT,
        };
        self.add(fd, flags | EventFlags::ONESHOT, id)
    }

    pub(super) fn watch_shared(&mut self, fd: BorrowedFd<'_>, id: Id) -> io::Result<Watched> {
        self.add(fd, EventFlags::IN | EventFlags::EXCLUSIVE, id)
    }

    fn add(&mut self, fd: BorrowedFd<'_>, flags: EventFlags, id: Id) -> io::Result<Watched> {
        let data = EventData::new_u64(id.to_bits());
        match epoll::add(&self.epoll, fd, data, flags) {
            Ok(()) => Ok(Watched::Number(fd.as_raw_fd())),
            Err(Errno::PERM) => Ok(Watched::Always),
            Err(Errno::EXIST) => {
                let duplicate = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
                epoll::add(&self.epoll, &duplicate, data, flags)?;
                Ok(Watched::Duplicate(duplicate))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn unwatch(&mut self, watched: Watched) {
        match watched {
            Watched::Always | Watched::Operation(_) | Watched::Listener(_) => {}
            Watched::Number(number) => {
                // SAFETY: the number alone is used; should it have been closed, the kernel says so.
                let fd = unsafe { BorrowedFd::borrow_raw(number) };
                let _ = epoll::delete(&self.epoll, fd);
            }
            Watched::Duplicate(duplicate) => {
                let _ = epoll::delete(&self.epoll, duplicate.as_fd());
            }
        }
    }

    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        woken: &mut Vec<Id>,
    ) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let timeout = timeout.map(|timeout| {
            Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
        });
        let waited = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
        if waited.is_ok() {
            for event in &events {
                self.happened(event.data.u64(), event.flags, woken);
            }
        }
        self.events = events;
        match waited {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn happened(&mut self, key: u64, flags: EventFlags, woken: &mut Vec<Id>) {
        if key == WAKE_UP {
            return;
        }
        if key & ADOPTED == 0 {
            woken.push(Id::from_bits(key));
            return;
        }
        let fd = (key & u64::from(u32::MAX)) as RawFd;
        let generation = (key >> 32) as u32 & (u32::MAX >> 1);
        let Some(socket) = self.socket(fd).filter(|socket| socket.generation == generation) else {
            return;
        };
        let over = EventFlags::ERR | EventFlags::HUP;
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | over) {
            socket.is_drained = false;
            socket.has_hung_up |= flags.intersects(EventFlags::RDHUP | over);
            socket.readers.wake(woken);
        }
        if flags.intersects(EventFlags::OUT | over) {
            socket.is_full = false;
            socket.writers.wake(woken);
        }
    }

    /// Registers an adopted socket that must be waited for.
    fn register<T>(&mut self, fd: BorrowedFd<'_>) -> Attempt<T> {
        let number = fd.as_raw_fd();
        let socket = &mut self.sockets[index(number)];
        if socket.is_registered {
            return Attempt::Wait;
        }
        let generation = u64::from(socket.generation);
        let key = EventData::new_u64(ADOPTED | generation << 32 | u64::from(number.unsigned_abs()));
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let registered = match epoll::add(&self.epoll, fd, key, flags) {
            // It was adopted before, and has been kept open since.
            Err(Errno::EXIST) => epoll::modify(&self.epoll, fd, key, flags),
            registered => registered,
        };
        match registered {
            Ok(()) => {
                socket.is_registered = true;
                Attempt::Wait
            }
            Err(error) => Attempt::Done(Err(error.into())),
        }
    }

    fn socket(&mut self, fd: RawFd) -> Option<&mut Socket> {
        self.sockets.get_mut(index(fd)).filter(|socket| socket.is_adopted)
    }
}

fn index(fd: RawFd) -> usize {
    fd.unsigned_abs() as usize
}
