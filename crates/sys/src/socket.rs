//! Socket options that the socket crates lack, and who is at the other end.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{AddressFamily, RecvFlags, SocketType, sockopt};

/// Who is at the other end of a Unix stream socket, as `SO_PEERCRED` tells: the kernel's word,
/// taken when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// Its process id.
    pub pid: u32,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// Asks the kernel who is at the other end of `socket`.
///
/// # Errors
///
/// As `getsockopt(2)` has them.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let credentials = sockopt::socket_peercred(socket)?;
    Ok(PeerCredentials {
        pid: credentials.pid.as_raw_nonzero().get().unsigned_abs(),
        uid: credentials.uid.as_raw(),
        gid: credentials.gid.as_raw(),
    })
}

/// What kind of socket a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketKind {
    /// A TCP socket.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A Unix stream socket.
    UnixStream,
    /// A Unix datagram socket.
    UnixDatagram,
}

/// Tells what kind of socket `fd` is.
///
/// # Errors
///
/// `ENOTSOCK` for what is no socket; `InvalidInput` for a kind of socket that is not in the list.
pub fn kind(fd: BorrowedFd<'_>) -> io::Result<SocketKind> {
    let inet = |family| family == AddressFamily::INET || family == AddressFamily::INET6;
    match (sockopt::socket_domain(fd)?, sockopt::socket_type(fd)?) {
        (family, SocketType::STREAM) if inet(family) => Ok(SocketKind::Tcp),
        (family, SocketType::DGRAM) if inet(family) => Ok(SocketKind::Udp),
        (AddressFamily::UNIX, SocketType::STREAM) => Ok(SocketKind::UnixStream),
        (AddressFamily::UNIX, SocketType::DGRAM) => Ok(SocketKind::UnixDatagram),
        (family, kind) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "no server serves sockets of family {} and type {}",
                family.as_raw(),
                kind.as_raw()
            ),
        )),
    }
}

/// Whether `fd` is a socket that listens: `SO_ACCEPTCONN`.
///
/// # Errors
///
/// `ENOTSOCK` for what is no socket.
pub fn is_listening(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(fd)?)
}

/// Sets the mode that a path has to which the Unix socket `fd` is bound afterwards, less the
/// umask: `fchmod(2)`.
///
/// # Errors
///
/// As `fchmod(2)` has them.
pub fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(fd, rustix::fs::Mode::from_raw_mode(mode))?)
}

/// Reads what has arrived, without waiting: `recv(2)` with `MSG_DONTWAIT`, whatever the socket's
/// own mode.
///
/// # Errors
///
/// `WouldBlock` when nothing has arrived; else as `recv(2)` has them.
pub fn recv_now(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let (len, _) = rustix::net::recv(fd, buf, RecvFlags::DONTWAIT)?;
    Ok(len)
}

/// Reads what has arrived, and waits for that: `recv(2)`.
///
/// # Errors
///
/// `WouldBlock` at the end of `SO_RCVTIMEO`; else as `recv(2)` has them.
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let (len, _) = rustix::net::recv(fd, buf, RecvFlags::empty())?;
    Ok(len)
}

/// Writes some of `buf`, and waits for room: `send(2)`, without SIGPIPE.
///
/// # Errors
///
/// `WouldBlock` at the end of `SO_SNDTIMEO`; else as `send(2)` has them.
pub fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(fd, buf, rustix::net::SendFlags::NOSIGNAL)?)
}
