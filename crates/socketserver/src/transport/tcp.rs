use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use socketserver_sys::socket::SocketKind;

use super::linger::{self, linger};
use super::{BeforeBind, Connection, ServerBind, Stream, Tombstone, Transport, expect, name_error};
use crate::address::Address;
use crate::wait::{self, Peer, is_at_end};

/// The backlog of stream servers. The kernel clips it to `net.core.somaxconn`.
pub(super) const REQUEST_QUEUE_SIZE: i32 = 4096;

/// TCP over IPv4 or IPv6: Python's `TCPServer`.
///
/// Its address is anything that implements [`ToSocketAddrs`]: `"127.0.0.1:0"`, `"[::]:7000"`,
/// `("localhost", 7000)`. Of several addresses that a name stands for, the first that can be
/// bound is taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tcp {
    /// See [`Builder::allow_reuse_address`](crate::Builder::allow_reuse_address).
    pub allow_reuse_address: bool,
    /// See [`Builder::allow_reuse_port`](crate::Builder::allow_reuse_port).
    pub allow_reuse_port: bool,
    /// See [`Builder::ipv6_only`](crate::Builder::ipv6_only).
    pub ipv6_only: bool,
    /// See [`Builder::request_queue_size`](crate::Builder::request_queue_size).
    pub request_queue_size: i32,
    /// See [`Builder::linger`](crate::Builder::linger).
    pub linger: Duration,
    pub(crate) before_bind: BeforeBind,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            allow_reuse_address: true,
            allow_reuse_port: false,
            ipv6_only: false,
            request_queue_size: REQUEST_QUEUE_SIZE,
            linger: linger::DEFAULT,
            before_bind: BeforeBind::default(),
        }
    }
}

impl Tcp {
    fn bind(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(self.allow_reuse_address)?;
        socket.set_reuse_port(self.allow_reuse_port)?;
        if address.is_ipv6() {
            socket.set_only_v6(self.ipv6_only)?;
        }
        self.before_bind.call(&socket)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }
}

impl<A: ToSocketAddrs> ServerBind<A> for Tcp {
    fn server_bind(&self, address: A) -> io::Result<TcpListener> {
        bind_first(address, |address| self.bind(address))
    }
}

/// Binds to the first of several addresses that can be bound to.
pub(super) fn bind_first<S>(
    addresses: impl ToSocketAddrs,
    bind: impl Fn(SocketAddr) -> io::Result<S>,
) -> io::Result<S> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to bind to");
    for address in addresses.to_socket_addrs()? {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = name_error(&error, "bind to", address),
        }
    }
    Err(last)
}

impl Transport for Tcp {
    type Kind = Stream;
    type Socket = TcpListener;
    type Request = TcpStream;

    fn server_activate(&self, socket: &TcpListener) -> io::Result<()> {
        expect(socket.as_fd(), SocketKind::Tcp)?;
        SockRef::from(socket)
            .listen(self.request_queue_size)
            .map_err(|error| name_error(&error, "listen on", format_args!("{socket:?}")))?;
        socket.set_nonblocking(true)
    }

    fn server_address(&self, socket: &TcpListener) -> io::Result<Address> {
        // Not through `Address::from`: a socket bound to `::ffff:127.0.0.1` is an IPv6 socket.
        socket.local_addr().map(Address::Inet)
    }

    fn get_request(&self, socket: &TcpListener) -> io::Result<(Arc<TcpStream>, Address)> {
        let (stream, address) = match wait::accept(socket.as_fd()) {
            None => socket.accept()?,
            Some(accepted) => {
                let (stream, peer) = accepted?;
                let stream = TcpStream::from(stream);
                let address = match peer {
                    Peer::Inet(address) => address,
                    _ => stream.peer_addr()?,
                };
                (stream, address)
            }
        };
        Ok((Arc::new(stream), address.into()))
    }

    fn connection(&self, request: &Arc<TcpStream>) -> Arc<dyn Connection> {
        Arc::clone(request) as Arc<dyn Connection>
    }

    fn shutdown_request(&self, request: &TcpStream) {
        // With nothing left to read, the close alone says that it is the end.
        if is_at_end(request.as_fd()) {
            return;
        }
        // An error says that the client has gone, and then there is nothing to wait for.
        if request.shutdown(Shutdown::Write).is_ok() {
            linger(request.as_fd(), self.linger);
        }
    }

    fn close_request(&self, request: Arc<TcpStream>) {
        match Arc::try_unwrap(request) {
            Ok(request) => wait::close(request.into()),
            // A handler has kept the connection, so this does not close it.
            Err(request) if is_at_end(request.as_fd()) => {
                let _ = request.shutdown(Shutdown::Write);
            }
            Err(_) => {}
        }
    }

    fn after_fork_in_child(&self, socket: &TcpListener, tombstone: &Tombstone) {
        let _ = tombstone.bury(socket.as_fd());
    }
}
