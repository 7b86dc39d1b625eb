//! Servers of sockets that were made elsewhere.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net;

use socketserver::mixin::{Synchronous, Threading};
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{Server, TcpServer, UdpServer, UnixStreamServer};
use testkit::DEADLINE;

use crate::common::{Hooks, Mix, Script, Wire, builder};

/// A15: bound elsewhere, and a server like any other.
fn serves_on<T: Wire>(socket: impl Into<T::Socket>)
where
    Threading: Mix<T>,
{
    let server = builder::<T, Threading>().from_socket(socket).unwrap().spawn().unwrap();
    let mut client = T::connect(server.server_address()).unwrap();
    assert_eq!(client.ask("echo handed over").unwrap(), "handed over");
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}

/// A15: one that listens already, and in non-blocking mode.
#[test]
fn a_tcp_listener_is_served() {
    let _alone = testkit::alone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    serves_on::<Tcp>(listener);
}

/// A15.
#[test]
fn a_udp_socket_is_served() {
    let _alone = testkit::alone();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    serves_on::<Udp>(socket);
}

/// A15, B34: the path is the one's who made it, and stays.
#[test]
fn a_unix_listener_is_served_and_its_path_stays() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    serves_on::<UnixStream>(net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
}

/// A15, B34.
#[test]
fn a_unix_datagram_socket_is_served_and_its_path_stays() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    serves_on::<UnixDatagram>(net::UnixDatagram::bind(&path).unwrap());
    assert!(path.exists());
}

/// What a server says of a descriptor that is not what it needs.
fn refusal<T: Wire>(socket: impl Into<T::Socket> + AsRawFd) -> String
where
    Synchronous: Mix<T>,
{
    let number = socket.as_raw_fd();
    let made: Result<Server<T, Synchronous, T::Handler, Hooks>> =
        builder::<T, Synchronous>().from_socket(socket);
    let error = made.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let named = format!("descriptor {number} is not a ");
    let text = error.to_string();
    text.strip_prefix(&named).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// B35: a descriptor that is something else is named, with what it is.
#[test]
fn a_descriptor_of_another_kind_is_refused() {
    let _alone = testkit::alone();
    let udp = || OwnedFd::from(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let unix = || OwnedFd::from(net::UnixStream::pair().unwrap().0);
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    assert_eq!(refusal::<Tcp>(TcpListener::from(udp())), "Tcp socket: it is a Udp socket");
    assert_eq!(refusal::<Udp>(UdpSocket::from(unix())), "Udp socket: it is a UnixStream socket");
    assert_eq!(
        refusal::<UnixStream>(net::UnixListener::from(udp())),
        "UnixStream socket: it is a Udp socket"
    );
    assert_eq!(
        refusal::<UnixDatagram>(net::UnixDatagram::from(unix())),
        "UnixDatagram socket: it is a UnixStream socket"
    );
    let told = refusal::<Tcp>(TcpListener::from(file()));
    assert!(
        told.starts_with("Tcp socket: ") && told.contains("not a socket")
            || told.contains("non-socket"),
        "{told}"
    );
}

/// B35: a connection is no listener, although it is TCP.
#[test]
fn a_connection_is_no_listener() {
    let _alone = testkit::alone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let connection = TcpListener::from(OwnedFd::from(connection));
    let made = TcpServer::<Script>::builder(Script::default)
        .server(Hooks::default())
        .from_socket(connection);
    assert!(made.is_err());
    let pair = OwnedFd::from(net::UnixStream::pair().unwrap().0);
    let made = UnixStreamServer::<Script>::builder(Script::default)
        .server(Hooks::default())
        .from_socket(net::UnixListener::from(pair));
    assert!(made.is_err());
    let _ = UdpServer::<Script>::builder(Script::default);
}
