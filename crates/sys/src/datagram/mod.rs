//! Datagrams: receiving with the destination address and truncation, sending from an address; one
//! by one, or in batches ([`Inbox`], [`Outbox`]).
//!
//! Receiving never waits (`MSG_DONTWAIT`), so that the socket itself may stay in blocking mode, in
//! which sending waits for as long as its `SO_SNDTIMEO` allows.

mod inbox;
mod outbox;
mod wire;

use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendFlags, SocketAddrUnix};

pub use self::inbox::{Inbox, receive_trains, refuse_trains};
pub use self::outbox::{Message, Outbox};

/// What was received: how much of it, and whence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<A> {
    /// How many bytes were put into the buffer.
    pub len: usize,
    /// Whether the datagram was longer than the buffer, and the rest is lost.
    pub truncated: bool,
    /// The sender's address.
    pub sender: A,
    /// The address that it was sent to, if the kernel was asked to tell by [`tell_destination`].
    pub destination: Option<IpAddr>,
}

/// The name of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnixName {
    /// None.
    Unnamed,
    /// A path in the file system.
    Path(PathBuf),
    /// A name in the abstract name space, without the leading NUL.
    Abstract(Vec<u8>),
}

/// Asks the kernel to tell with each datagram where it was sent to: `IP_PKTINFO`, or
/// `IPV6_RECVPKTINFO`.
///
/// # Errors
///
/// As `setsockopt(2)` has them.
pub fn tell_destination(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    Ok(())
}

/// How long sending waits for room, if it waits; `None` for ever: `SO_SNDTIMEO`.
///
/// # Errors
///
/// As `getsockopt(2)` has them.
pub fn send_timeout(socket: BorrowedFd<'_>) -> io::Result<Option<Duration>> {
    use rustix::net::sockopt::{Timeout, socket_timeout};
    Ok(socket_timeout(socket, Timeout::Send)?)
}

/// Receives one datagram from a UDP socket: `recvmsg(2)`.
///
/// # Errors
///
/// `WouldBlock` when there is none; else as `recvmsg(2)` has them.
pub fn recv_udp(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received<SocketAddr>> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let mut parts = [IoSliceMut::new(buf)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let destination = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)))
        }
        _ => None,
    });
    let sender = message.address.as_ref().and_then(inet).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Received {
        len: message.bytes,
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        sender,
        destination,
    })
}

fn inet(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = address.as_sockaddr_in() {
        Some(SocketAddr::V4(SocketAddrV4::from(*address)))
    } else {
        address.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address)))
    }
}

/// Receives one datagram from a Unix datagram socket: `recvmsg(2)`.
///
/// # Errors
///
/// `WouldBlock` when there is none; else as `recvmsg(2)` has them.
pub fn recv_unix(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received<UnixName>> {
    // `nix` asserts that every sender has a name, so this one is rustix's.
    let mut parts = [IoSliceMut::new(buf)];
    let mut control = RecvAncillaryBuffer::new(&mut []);
    let message = rustix::net::recvmsg(socket, &mut parts, &mut control, RecvFlags::DONTWAIT)?;
    let sender = match message.address.map(SocketAddrUnix::try_from).transpose()? {
        Some(address) => match (address.path_bytes(), address.abstract_name()) {
            (Some(path), _) => UnixName::Path(PathBuf::from(OsStr::from_bytes(path))),
            (_, Some(name)) => UnixName::Abstract(name.to_vec()),
            _ => UnixName::Unnamed,
        },
        None => UnixName::Unnamed,
    };
    Ok(Received {
        len: message.bytes,
        truncated: message.flags.contains(ReturnFlags::TRUNC),
        sender,
        destination: None,
    })
}

/// Sends one datagram from a UDP socket, from the address `source` of this host if there is one:
/// `sendmsg(2)` with `IP_PKTINFO`. Only if it `waits` does it wait for room in the socket's buffer.
///
/// # Errors
///
/// `WouldBlock` when the socket's buffer stayed full; else as `sendmsg(2)` has them.
pub fn send_udp(
    socket: BorrowedFd<'_>,
    data: &[u8],
    to: SocketAddr,
    source: Option<IpAddr>,
    waits: bool,
) -> io::Result<usize> {
    let v4;
    let v6;
    let control = match source {
        Some(IpAddr::V4(address)) => {
            v4 = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            Some(ControlMessage::Ipv4PacketInfo(&v4))
        }
        Some(IpAddr::V6(address)) => {
            v6 = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: 0,
            };
            Some(ControlMessage::Ipv6PacketInfo(&v6))
        }
        None => None,
    };
    let to = SockaddrStorage::from(to);
    let parts = [IoSlice::new(data)];
    let flags = if waits { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
    Ok(sendmsg(socket.as_raw_fd(), &parts, control.as_slice(), flags, Some(&to))?)
}

/// Sends one datagram from a Unix datagram socket. Only if it `waits` does it wait for room in the
/// receiver's queue.
///
/// # Errors
///
/// `WouldBlock` when the receiver's queue stayed full; `ECONNREFUSED` and `ENOENT` when it is gone;
/// `NotConnected` when it has no name; else as `sendmsg(2)` has them.
pub fn send_unix(
    socket: BorrowedFd<'_>,
    data: &[u8],
    to: &UnixName,
    waits: bool,
) -> io::Result<usize> {
    let to = match to {
        UnixName::Unnamed => return Err(io::ErrorKind::NotConnected.into()),
        UnixName::Path(path) => SocketAddrUnix::new(path)?,
        UnixName::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
    };
    let flags = if waits { SendFlags::empty() } else { SendFlags::DONTWAIT };
    Ok(rustix::net::sendto(socket, data, flags, &to)?)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::{UnixName, recv_udp, recv_unix, send_udp, tell_destination};
    use crate::descriptor::{Interest, wait};

    #[test]
    fn a_reply_leaves_from_the_address_that_was_asked() {
        let server = UdpSocket::bind("0.0.0.0:0").unwrap();
        tell_destination(server.as_fd(), false).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.3", port)).unwrap();

        wait([(Some(server.as_fd()), Interest::Read)], None).unwrap();
        let mut buf = [0; 3];
        let received = recv_udp(server.as_fd(), &mut buf).unwrap();
        assert_eq!((received.len, received.truncated), (3, true));
        assert_eq!(received.sender, client.local_addr().unwrap());
        assert_eq!(received.destination, Some("127.0.0.3".parse().unwrap()));

        send_udp(server.as_fd(), b"yes", received.sender, received.destination, true).unwrap();
        let (len, from) = client.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((len, from.ip().to_string().as_str()), (3, "127.0.0.3"));
    }

    #[test]
    fn an_unnamed_client_has_no_name() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.send(b"").unwrap();
        let received = recv_unix(ours.as_fd(), &mut [0; 8]).unwrap();
        assert_eq!((received.len, received.sender), (0, UnixName::Unnamed));
    }
}
