//! The time between a socket's being made and its server's being ready.

use std::io::{Error, ErrorKind};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use rustix::net::{getsockname, sockopt};
use socketserver::mixin::Synchronous;
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{StreamRequest, TcpServer, ThreadingTcpServer, UnixStreamServer, handler_fn};
use testkit::{Connect, DEADLINE, within_deadline};

use crate::common::{Mix, Place, Wire, builder};

/// A15: the hook sees the socket while nothing is bound yet.
#[test]
fn a_socket_is_seen_before_it_is_bound() {
    let _alone = testkit::alone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let in_hook = Arc::clone(&seen);
    let server = TcpServer::builder(handler_fn(|_| Ok(())))
        .before_bind(move |socket| {
            let address = std::net::SocketAddr::try_from(getsockname(socket)?)?;
            in_hook.lock().unwrap().push(address.port());
            sockopt::set_socket_recv_buffer_size(socket, 16 * 1024)?;
            Ok(())
        })
        .bind("127.0.0.1:0")
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [0], "it was called once, and before the bind");
    // The kernel doubles what it is asked for.
    assert_eq!(sockopt::socket_recv_buffer_size(&server).unwrap(), 32 * 1024);
}

/// A14, A15: an error of the hook ends the construction, and is named.
#[test]
fn an_error_before_the_bind_ends_the_construction() {
    let _alone = testkit::alone();
    let made = TcpServer::builder(handler_fn(|_| Ok(())))
        .before_bind(|_| Err(Error::new(ErrorKind::Unsupported, "not this one")))
        .bind("127.0.0.1:0");
    let error = made.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("not this one"), "{error}");

    let path = testkit::socket_path();
    let made = UnixStreamServer::builder(handler_fn(|_| Ok(())))
        .before_bind(|_| Err(Error::new(ErrorKind::Unsupported, "not this one")))
        .bind(&path);
    assert!(made.is_err());
    assert!(path.left().is_empty(), "{:?}", path.left());
}

/// A17: a stream client is refused between `server_bind` and `server_activate`.
fn is_refused_before_it_listens<T: Wire>()
where
    Synchronous: Mix<T>,
{
    let _alone = testkit::alone();
    let place = Place::new();
    let bound = builder::<T, Synchronous>().server_bind(&place).unwrap();
    let address = bound.server_address().unwrap();
    let refused = T::connect(&address).and_then(|mut client| client.ask("echo too early"));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(bound.as_fd().try_clone_to_owned().is_ok());

    let server = bound.server_activate().unwrap();
    assert_eq!(*server.server_address(), address);
    let server = server.spawn().unwrap();
    assert_eq!(T::connect(&address).unwrap().ask("echo in time").unwrap(), "in time");
    server.stop(Some(DEADLINE)).unwrap();
}

/// A17.
#[test]
fn a_tcp_client_is_refused_before_the_server_listens() {
    is_refused_before_it_listens::<Tcp>();
}

/// A17.
#[test]
fn a_unix_client_is_refused_before_the_server_listens() {
    is_refused_before_it_listens::<UnixStream>();
}

/// A17: a datagram that comes between the two waits for the server.
fn waits_for_the_server<T: Wire>()
where
    Synchronous: Mix<T>,
{
    let _alone = testkit::alone();
    let place = Place::new();
    let bound = builder::<T, Synchronous>().server_bind(&place).unwrap();
    let mut client = T::connect(&bound.server_address().unwrap()).unwrap();
    client.send("echo early").unwrap();
    let server = bound.server_activate().unwrap().spawn().unwrap();
    assert_eq!(client.reply().unwrap(), "early");
    server.stop(Some(DEADLINE)).unwrap();
}

/// A17.
#[test]
fn a_udp_datagram_waits_for_the_server() {
    waits_for_the_server::<Udp>();
}

/// A17.
#[test]
fn a_unix_datagram_waits_for_the_server() {
    waits_for_the_server::<UnixDatagram>();
}

/// A15: options may be set on the socket between the two.
#[test]
fn a_bound_socket_may_be_changed_before_the_server_listens() {
    let _alone = testkit::alone();
    let bound = TcpServer::builder(handler_fn(|_| Ok(()))).server_bind("127.0.0.1:0").unwrap();
    bound.socket().set_ttl(7).unwrap();
    let server = bound.server_activate().unwrap();
    assert_eq!(server.socket().ttl().unwrap(), 7);
}

/// A14, A18: a server that is given up before it listens frees its port.
#[test]
fn a_bound_server_that_is_dropped_frees_its_port() {
    let _alone = testkit::alone();
    let nothing = || handler_fn(|_: &mut StreamRequest<'_>| Ok(()));
    let bound = TcpServer::builder(nothing()).server_bind("127.0.0.1:0").unwrap();
    let address = bound.server_address().unwrap();
    drop(bound);
    let again = TcpServer::bind(address.as_inet().unwrap(), nothing());
    assert_eq!(*again.unwrap().server_address(), address);
}

/// A31: the address is the caller's before the first request is served, so that a client may be
/// sent there.
#[test]
fn a_client_may_come_before_the_loop_begins() {
    let _alone = testkit::alone();
    let server = ThreadingTcpServer::bind("127.0.0.1:0", handler_fn(|_| Ok(()))).unwrap();
    let address = server.server_address().as_inet().unwrap();
    let client = Connect::Tcp(address).connect().unwrap();
    let server = server.spawn().unwrap();
    assert_eq!(within_deadline(|| client.exchange("")).unwrap(), b"");
    server.stop(Some(DEADLINE)).unwrap();
}
