use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::Type;
use socketserver_sys::datagram::{Inbox, Received, UnixName, recv_unix, send_unix};
use socketserver_sys::socket::SocketKind;

use super::datagram_socket::{Given, Home, Receive};
use super::packet::{MAX_PACKET_SIZE, SEND_TIMEOUT};
use super::unix_path::{self, Access, Bound};
use super::{BeforeBind, Datagram, DatagramSocket, Packet, PacketSocket, ServerBind, Tombstone};
use super::{Transport, expect};
use crate::address::Address;

/// Datagram sockets in the file system or in the abstract name space: Python's
/// `UnixDatagramServer`.
///
/// Its address is a path, as for [`UnixStream`](super::UnixStream). A client that has not bound
/// its own socket has no address, and cannot be answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnixDatagram {
    /// See [`Builder::max_packet_size`](crate::Builder::max_packet_size).
    pub max_packet_size: usize,
    /// See [`Builder::send_timeout`](crate::Builder::send_timeout).
    pub send_timeout: Duration,
    pub(super) access: Access,
    pub(crate) before_bind: BeforeBind,
}

impl Default for UnixDatagram {
    fn default() -> Self {
        Self {
            max_packet_size: MAX_PACKET_SIZE,
            send_timeout: SEND_TIMEOUT,
            access: Access::default(),
            before_bind: BeforeBind::default(),
        }
    }
}

impl UnixDatagram {
    pub(crate) fn set_mode(&mut self, mode: u32) {
        self.access.mode = Some(mode);
    }

    pub(crate) fn set_owner(&mut self, uid: Option<u32>, gid: Option<u32>) {
        (self.access.uid, self.access.gid) = (uid, gid);
    }
}

impl<P: AsRef<Path>> ServerBind<P> for UnixDatagram {
    fn server_bind(&self, path: P) -> io::Result<Self::Socket> {
        let bound = unix_path::bind(path.as_ref(), Type::DGRAM, self.access, &self.before_bind)?;
        Ok(bound.map(|socket| net::UnixDatagram::from(socket).into()))
    }
}

/// A socket that was bound elsewhere: its path stays.
impl From<net::UnixDatagram> for Bound<DatagramSocket<net::UnixDatagram>> {
    fn from(socket: net::UnixDatagram) -> Self {
        DatagramSocket::from(socket).into()
    }
}

impl Transport for UnixDatagram {
    type Kind = Datagram;
    type Socket = Bound<DatagramSocket<net::UnixDatagram>>;
    type Request = Packet;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        expect(socket.as_fd(), SocketKind::UnixDatagram)?;
        // Blocking for the sake of replies; requests are received without waiting all the same.
        let socket = &socket.socket.socket;
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(self.send_timeout))
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        socket.socket.socket.local_addr().map(Address::from)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Packet>, Address)> {
        socket.socket.get_request(self.max_packet_size)
    }

    fn has_requests(&self, socket: &Self::Socket) -> bool {
        socket.socket.has_requests()
    }

    fn read_ahead(&self, socket: &Self::Socket) {
        socket.socket.read_ahead();
    }

    fn is_drained(&self, socket: &Self::Socket) -> bool {
        socket.socket.is_drained()
    }

    fn connection(&self, request: &Arc<Packet>) -> Arc<Packet> {
        Arc::clone(request)
    }

    fn close_request(&self, request: Arc<Packet>) {
        Home::recycle(request);
    }

    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        socket.close(tombstone)
    }
}

impl Receive for net::UnixDatagram {
    type Sender = UnixName;

    const IS_UDP: bool = false;

    fn recv_one(&self, buffer: &mut [u8]) -> io::Result<Received<UnixName>> {
        recv_unix(self.as_fd(), buffer)
    }

    fn next(inbox: &mut Inbox) -> Option<io::Result<Given<'_, UnixName>>> {
        inbox.next_unix().map(Ok)
    }
}

impl PacketSocket for net::UnixDatagram {
    fn send_to(&self, data: &[u8], address: &Address, _: Option<IpAddr>) -> io::Result<usize> {
        send(self, data, address, true)
    }

    fn send_now(&self, data: &[u8], address: &Address, _: Option<IpAddr>) -> io::Result<usize> {
        send(self, data, address, false)
    }
}

fn send(
    socket: &net::UnixDatagram,
    data: &[u8],
    address: &Address,
    waits: bool,
) -> io::Result<usize> {
    let name = address.to_unix_name().ok_or(io::ErrorKind::NotConnected)?;
    send_unix(socket.as_fd(), data, &name, waits)
}
