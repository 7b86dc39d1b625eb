//! Where the kernel writes who has connected.

use std::cell::UnsafeCell;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::rc::Rc;

use io_uring::opcode;
use io_uring::types::Fd;
use socket2::{SockAddr, SockAddrStorage};

/// Who is at the other end of an accepted connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A client of TCP.
    Inet(SocketAddr),
    /// A client of a Unix socket, and its address if it has bound one.
    Unix(Option<Box<UnixAddr>>),
    /// Not asked for, or of another family: `getpeername` tells.
    Unknown,
}

/// Room for one address.
///
/// Shared, so that moving it about claims nothing about what is in it: only the kernel does, from
/// the push of an accept to its completion.
pub(super) struct Address(Rc<Inner>);

struct Inner {
    storage: UnsafeCell<SockAddrStorage>,
    /// In: the size of the storage. Out: that of the address.
    length: UnsafeCell<libc::socklen_t>,
}

impl Address {
    pub(super) fn new() -> Self {
        Self(Rc::new(Inner {
            storage: UnsafeCell::new(SockAddrStorage::zeroed()),
            length: UnsafeCell::new(0),
        }))
    }

    /// An accept that writes here. Not to be called while the kernel has the room.
    pub(super) fn accept(&self, fd: Fd) -> opcode::Accept {
        let size = size_of::<SockAddrStorage>() as libc::socklen_t;
        // SAFETY: it is no longer, or not yet, the kernel's, and nobody has a reference to it.
        unsafe { self.0.length.get().write(size) };
        opcode::Accept::new(fd, self.0.storage.get().cast(), self.0.length.get())
    }

    /// Who has connected. To be called after the completion of an accept that succeeded.
    pub(super) fn peer(&self) -> Peer {
        // SAFETY: the kernel has finished with it, and nobody has a reference to it.
        let length = unsafe { self.0.length.get().read() };
        // SAFETY: as above.
        let storage = unsafe { self.0.storage.get().read() };
        // SAFETY: the kernel has written an address of that length, which it has not cut, for no
        // family has longer ones than the storage.
        let address = unsafe { SockAddr::new(storage, length) };
        match i32::from(address.family()) {
            libc::AF_UNIX => Peer::Unix(address.as_unix().filter(named).map(Box::new)),
            _ => address.as_socket().map_or(Peer::Unknown, Peer::Inet),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

fn named(address: &UnixAddr) -> bool {
    !address.is_unnamed()
}
