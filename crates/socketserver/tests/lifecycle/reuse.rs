//! Addresses that were used before, or are used by another.

use std::io::ErrorKind;
use std::net::SocketAddr;

use socketserver::{
    Builder, DatagramRequest, HandlerFn, StreamRequest, TcpServer, UdpServer, handler_fn,
};
use testkit::{Connect, DEADLINE};

/// A server that has ended a connection, so that the kernel keeps its address in TIME_WAIT.
fn used_address() -> SocketAddr {
    let bye = handler_fn(|_: &mut StreamRequest<'_>| Ok(()));
    let server = TcpServer::bind("127.0.0.1:0", bye).unwrap().spawn().unwrap();
    let address = server.server_address().as_inet().unwrap();
    let mut client = Connect::Tcp(address).connect().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"", "the server ended it");
    drop(client);
    server.stop(Some(DEADLINE)).unwrap();
    address
}

/// B30: a server is started again at once where it had been.
#[test]
fn a_server_is_started_again_where_connections_are_in_time_wait() {
    let _alone = testkit::alone();
    let address = used_address();
    let nothing = || handler_fn(|_: &mut StreamRequest<'_>| Ok(()));
    let refused = TcpServer::builder(nothing()).allow_reuse_address(false).bind(address);
    assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse, "the test is void");
    let again = TcpServer::bind(address, nothing()).unwrap();
    assert_eq!(again.server_address().as_inet(), Some(address));
}

/// B30: but never where another server listens.
#[test]
fn a_port_is_not_taken_from_a_server_that_listens() {
    let _alone = testkit::alone();
    let nothing = || handler_fn(|_: &mut StreamRequest<'_>| Ok(()));
    let first = TcpServer::bind("127.0.0.1:0", nothing()).unwrap();
    let second = TcpServer::bind(first.server_address().as_inet().unwrap(), nothing());
    assert_eq!(second.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
}

/// A5, A6, B31: a port is shared only by servers that both say so.
#[test]
fn a_port_is_shared_on_request() {
    let _alone = testkit::alone();
    fn stream() -> impl Fn() -> HandlerFn<fn(&mut StreamRequest<'_>) -> socketserver::Result> {
        || HandlerFn::new(|_| Ok(()))
    }
    let shared = || TcpServer::builder(stream()).allow_reuse_port(true);
    let first = shared().bind("127.0.0.1:0").unwrap();
    let address = first.server_address().as_inet().unwrap();
    assert!(shared().bind(address).is_ok());
    let unshared: Builder<_, _, _> = TcpServer::builder(stream());
    assert_eq!(unshared.bind(address).map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);

    fn packet() -> impl Fn() -> HandlerFn<fn(&mut DatagramRequest<'_>) -> socketserver::Result> {
        || HandlerFn::new(|_| Ok(()))
    }
    let shared = || UdpServer::builder(packet()).allow_reuse_port(true);
    let first = shared().bind("127.0.0.1:0").unwrap();
    let address = first.server_address().as_inet().unwrap();
    assert!(shared().bind(address).is_ok());
    assert!(UdpServer::bind(address, packet()).is_err());
}
