use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use socketserver_sys::datagram::{Inbox, Received, recv_udp, send_udp, tell_destination};
use socketserver_sys::socket::SocketKind;

use super::datagram_socket::{Given, Home, Receive};
use super::packet::{MAX_PACKET_SIZE, SEND_TIMEOUT};
use super::tcp::bind_first;
use super::{BeforeBind, Datagram, DatagramSocket, Packet, PacketSocket, ServerBind, Tombstone};
use super::{Transport, expect, gather};
use crate::address::Address;

/// UDP over IPv4 or IPv6: Python's `UDPServer`.
///
/// Its address is anything that implements [`ToSocketAddrs`], as for [`Tcp`](super::Tcp). Bound
/// to a wildcard address, it answers from the address that the client asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Udp {
    /// See [`Builder::allow_reuse_address`](crate::Builder::allow_reuse_address).
    pub allow_reuse_address: bool,
    /// See [`Builder::allow_reuse_port`](crate::Builder::allow_reuse_port).
    pub allow_reuse_port: bool,
    /// See [`Builder::ipv6_only`](crate::Builder::ipv6_only).
    pub ipv6_only: bool,
    /// See [`Builder::max_packet_size`](crate::Builder::max_packet_size).
    pub max_packet_size: usize,
    /// See [`Builder::send_timeout`](crate::Builder::send_timeout).
    pub send_timeout: Duration,
    pub(crate) before_bind: BeforeBind,
}

impl Default for Udp {
    fn default() -> Self {
        Self {
            allow_reuse_address: false,
            allow_reuse_port: false,
            ipv6_only: false,
            max_packet_size: MAX_PACKET_SIZE,
            send_timeout: SEND_TIMEOUT,
            before_bind: BeforeBind::default(),
        }
    }
}

impl Udp {
    fn bind(&self, address: SocketAddr) -> io::Result<DatagramSocket<UdpSocket>> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        socket.set_reuse_address(self.allow_reuse_address)?;
        socket.set_reuse_port(self.allow_reuse_port)?;
        if address.is_ipv6() {
            socket.set_only_v6(self.ipv6_only)?;
        }
        self.before_bind.call(&socket)?;
        socket.bind(&address.into())?;
        Ok(DatagramSocket::from(UdpSocket::from(socket)))
    }
}

impl<A: ToSocketAddrs> ServerBind<A> for Udp {
    fn server_bind(&self, address: A) -> io::Result<Self::Socket> {
        bind_first(address, |address| self.bind(address))
    }
}

impl Transport for Udp {
    type Kind = Datagram;
    type Socket = DatagramSocket<UdpSocket>;
    type Request = Packet;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        expect(socket.as_fd(), SocketKind::Udp)?;
        socket.gather_replies();
        let address = socket.socket.local_addr()?;
        // Bound to one address, every reply leaves from it anyway; but an IPv6 socket must know
        // that it is asked over IPv4.
        let is_mapped = address.ip().to_canonical() != address.ip();
        if address.ip().is_unspecified() || is_mapped {
            tell_destination(socket.as_fd(), address.is_ipv6())?;
        }
        // Blocking for the sake of replies; requests are received without waiting all the same.
        socket.socket.set_nonblocking(false)?;
        socket.socket.set_write_timeout(Some(self.send_timeout))
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        socket.socket.local_addr().map(Address::Inet)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Packet>, Address)> {
        socket.get_request(self.max_packet_size)
    }

    fn has_requests(&self, socket: &Self::Socket) -> bool {
        socket.has_requests()
    }

    fn read_ahead(&self, socket: &Self::Socket) {
        socket.read_ahead();
    }

    fn is_drained(&self, socket: &Self::Socket) -> bool {
        socket.is_drained()
    }

    fn take_fallback(&self, socket: &Self::Socket) -> Option<&'static str> {
        socket.take_fallback()
    }

    fn connection(&self, request: &Arc<Packet>) -> Arc<Packet> {
        Arc::clone(request)
    }
    fn close_request(&self, request: Arc<Packet>) {
        Home::recycle(request);
    }

    fn after_fork_in_child(&self, _: &Self::Socket, _: &Tombstone) {
        gather::abandon();
    }
}

impl Receive for UdpSocket {
    type Sender = SocketAddr;

    const IS_UDP: bool = true;

    fn recv_one(&self, buffer: &mut [u8]) -> io::Result<Received<SocketAddr>> {
        recv_udp(self.as_fd(), buffer)
    }

    fn next(inbox: &mut Inbox) -> Option<io::Result<Given<'_, SocketAddr>>> {
        inbox.next_udp()
    }
}

impl PacketSocket for UdpSocket {
    fn send_to(&self, data: &[u8], address: &Address, source: Option<IpAddr>) -> io::Result<usize> {
        send(self, data, address, source, true)
    }

    fn send_now(
        &self,
        data: &[u8],
        address: &Address,
        source: Option<IpAddr>,
    ) -> io::Result<usize> {
        send(self, data, address, source, false)
    }
}

fn send(
    socket: &UdpSocket,
    data: &[u8],
    address: &Address,
    source: Option<IpAddr>,
    waits: bool,
) -> io::Result<usize> {
    let address = address.as_inet().ok_or(io::ErrorKind::NotConnected)?;
    let (to, source) = route(address, source);
    send_udp(socket.as_fd(), data, to, source, waits)
}

/// To whom, as the socket knows it, and from where what is sent to a client leaves that has asked
/// `source`.
pub(super) fn route(mut to: SocketAddr, source: Option<IpAddr>) -> (SocketAddr, Option<IpAddr>) {
    // An IPv4 client of an IPv6 socket is known to its handler by its IPv4 address.
    if let (SocketAddr::V4(v4), Some(IpAddr::V6(_))) = (to, source) {
        to = SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port());
    }
    // Somebody else than the client may be of the other family, which cannot be reached from the
    // address that the client asked.
    let is_ipv4 = |ip: IpAddr| ip.to_canonical().is_ipv4();
    (to, source.filter(|&source| is_ipv4(source) == is_ipv4(to.ip())))
}
