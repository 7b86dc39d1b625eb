//! Unix sockets' names: paths, abstract names, names that the kernel chooses.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use socketserver::{
    Address, HandlerFn, StreamRequest, UnixDatagramServer, UnixStreamServer, handler_fn,
};
use testkit::DEADLINE;

fn nothing() -> impl Fn() -> HandlerFn<fn(&mut StreamRequest<'_>) -> socketserver::Result> {
    || HandlerFn::new(|_| Ok(()))
}

fn abstract_name(tag: &str) -> Vec<u8> {
    format!("socketserver-test-{}-{tag}", std::process::id()).into_bytes()
}

/// A59: no file is made, and the address is shown as tools show it.
#[test]
fn an_abstract_name_is_served() {
    let _alone = testkit::alone();
    let name = abstract_name("stream");
    let path = format!("\0{}", String::from_utf8_lossy(&name));
    let server = UnixStreamServer::bind(path, nothing()).unwrap();
    assert_eq!(*server.server_address(), Address::Abstract(name.clone()));
    let shown = format!("@{}", String::from_utf8_lossy(&name));
    assert_eq!(server.server_address().to_string(), shown);
    let server = server.spawn().unwrap();
    let client = UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(std::io::read_to_string(client).unwrap(), "");
    server.stop(Some(DEADLINE)).unwrap();
    let gone = UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap());
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// A59: a taken name is named in the error.
#[test]
fn a_taken_abstract_name_is_named() {
    let _alone = testkit::alone();
    let name = abstract_name("taken");
    let path = format!("\0{}", String::from_utf8_lossy(&name));
    let _first = UnixStreamServer::bind(&path, nothing()).unwrap();
    let error = UnixStreamServer::bind(&path, nothing()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let shown = format!("@{}", String::from_utf8_lossy(&name));
    assert!(error.to_string().contains(&shown), "{error}");
}

/// A59: the kernel chooses a name, and each server has its own.
#[test]
fn an_empty_path_is_a_name_of_the_kernels_choice() {
    let _alone = testkit::alone();
    let echo = |request: &mut socketserver::DatagramRequest<'_>| {
        request.wfile = request.packet.to_vec();
        Ok(())
    };
    let server = UnixDatagramServer::bind("", move || HandlerFn::new(echo)).unwrap();
    let other = UnixDatagramServer::bind("", move || HandlerFn::new(echo)).unwrap();
    let (Address::Abstract(name), Address::Abstract(others)) =
        (server.server_address().clone(), other.server_address().clone())
    else {
        panic!("{server:?} {other:?}");
    };
    assert!(!name.is_empty() && name != others);
    let server = server.spawn().unwrap();
    let own = SocketAddr::from_abstract_name(abstract_name("client")).unwrap();
    let client = UnixDatagram::bind_addr(&own).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    client.send(b"hello").unwrap();
    let mut reply = [0; 10];
    assert_eq!(client.recv(&mut reply).unwrap(), 5);
    server.stop(Some(DEADLINE)).unwrap();
}

/// A5, B29: as many as may wait; of Unix clients the next is turned away at once.
#[test]
fn request_queue_size_is_how_many_clients_wait() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    let server = UnixStreamServer::builder(nothing()).request_queue_size(3).bind(&path).unwrap();
    let address = SocketAddrUnix::new(&*path).unwrap();
    let client = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &address)?;
        Ok::<_, rustix::io::Errno>(socket)
    };
    // The kernel lets one more wait than it was told.
    let waiting: Vec<_> = (0..4).map(|_| client().unwrap()).collect();
    assert_eq!(client().unwrap_err(), rustix::io::Errno::AGAIN);
    drop((waiting, server));
}

/// A61, B34: the path is named, and how long it may be.
#[test]
fn a_path_that_is_too_long_is_refused() {
    let _alone = testkit::alone();
    let path: PathBuf = std::env::temp_dir().join("x".repeat(120));
    let error = UnixStreamServer::bind(&path, nothing()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("xxx") && text.contains("107"), "{text}");
}

/// A61, B34: what nobody answers is replaced, and what somebody does, or is no socket, is not.
#[test]
fn only_a_stale_socket_is_replaced() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    drop(UnixListener::bind(&path).unwrap());
    let server = UnixStreamServer::bind(&path, nothing()).unwrap();
    let error = UnixStreamServer::bind(&path, nothing()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("another server answers"), "{error}");
    assert!(UnixStream::connect(&path).is_ok(), "it does still");
    drop(server);

    std::fs::write(&path, "precious").unwrap();
    let error = UnixStreamServer::bind(&path, nothing()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// B34: a path that is another's by now is left alone.
#[test]
fn a_path_is_removed_only_if_it_is_still_the_servers() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    let first = UnixStreamServer::bind(&path, handler_fn(|_| Ok(()))).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = UnixStreamServer::bind(&path, handler_fn(|_| Ok(()))).unwrap();
    first.server_close(Some(DEADLINE));
    assert!(UnixStream::connect(&path).is_ok(), "the second's path is there");
    drop(second);
    assert!(path.left().is_empty(), "{:?}", path.left());
}

/// B34: a server that was closed, and is dropped later, does not take its successor's path.
#[test]
fn a_closed_server_that_is_dropped_later_takes_nobodys_path() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    let first = UnixStreamServer::bind(&path, handler_fn(|_| Ok(()))).unwrap();
    first.server_close(Some(DEADLINE));
    let second = UnixStreamServer::bind(&path, handler_fn(|_| Ok(()))).unwrap();
    drop(first);
    assert!(UnixStream::connect(&path).is_ok(), "the second's path is there");
    drop(second);
}
