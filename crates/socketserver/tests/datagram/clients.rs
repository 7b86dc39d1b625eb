//! Clients of Unix datagram sockets that cannot be answered: without a name, gone, or silent.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socketserver::{
    Address, CoroutineUnixDatagramServer, DatagramRequest, HandlerFn, Result, UnixDatagramServer,
};
use testkit::{DEADLINE, alone, socket_path, unix_datagram_client, within_deadline};

use crate::noting::{Noting, stop};

type Request<'a> = DatagramRequest<'a, Noting>;

/// Answers with the client's name, unless it is asked to keep silent.
fn names(request: &mut Request<'_>) -> Result {
    let name = request.client_address.to_string();
    match request.packet {
        b"hush" => {
            request.server.trace.note(format!("{:?}", request.client_address));
            Ok(())
        }
        _ => Ok(write!(request.wfile, "{name}")?),
    }
}

macro_rules! server {
    ($path:expr, $noting:expr) => {{
        let builder = UnixDatagramServer::builder(|| HandlerFn::new(names)).server($noting.clone());
        builder.bind($path).unwrap().spawn().unwrap()
    }};
}

/// Checks that a client with a name is answered.
#[track_caller]
fn check_served(path: &std::path::Path) {
    let (client, own) = unix_datagram_client(path).unwrap();
    client.send(b"who am I?").unwrap();
    let mut buffer = [0; 256];
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer[..len]), own.display().to_string());
}

/// A60, B21: Python fails even when it has nothing to send.
#[test]
fn an_unnamed_client_is_served_but_cannot_be_answered() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let server = server!(&path, noting);
    let unnamed = UnixDatagram::unbound().unwrap();
    unnamed.connect(&path).unwrap();
    unnamed.send(b"hush").unwrap();
    unnamed.send(b"who am I?").unwrap();
    check_served(&path);
    stop(server);
    let told = "disconnect: client went away: not connected";
    assert_eq!(noting.trace.texts(), [format!("{:?}", Address::Unix(None)).as_str(), told]);
}

/// A59: a client may be named in the abstract name space.
#[test]
fn a_client_with_an_abstract_name_is_answered() {
    use std::os::linux::net::SocketAddrExt;
    let _alone = alone();
    let path = socket_path();
    let server = server!(&path, Noting::default());
    let name = format!("socketserver-test-{}", std::process::id());
    let own = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let client = UnixDatagram::bind_addr(&own).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.connect(&path).unwrap();
    client.send(b"who am I?").unwrap();
    let mut buffer = [0; 256];
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer[..len]), format!("@{name}"));
    stop(server);
}

/// B21: with its path, or with the path left behind.
#[test]
fn a_client_that_is_gone_does_not_stop_the_server() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let builder = UnixDatagramServer::builder(|| HandlerFn::new(names)).server(noting.clone());
    let server = builder.bind(&path).unwrap();
    let (client, own) = unix_datagram_client(&path).unwrap();
    client.send(b"who am I?").unwrap();
    drop(client);
    server.handle_request().unwrap();
    let (client, removed) = unix_datagram_client(&path).unwrap();
    client.send(b"who am I?").unwrap();
    drop((client, removed));
    server.handle_request().unwrap();
    let server = server.spawn().unwrap();
    check_served(&path);
    stop(server);
    drop(own);
    assert_eq!(
        noting.trace.texts(),
        [
            "disconnect: client went away: Connection refused (os error 111)",
            "disconnect: client went away: No such file or directory (os error 2)",
        ]
    );
}

/// A synchronous server waits for room in a client's queue, but not for long.
#[test]
fn a_client_that_never_reads_does_not_stop_the_server() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let builder = UnixDatagramServer::builder(|| HandlerFn::new(names)).server(noting.clone());
    let builder = builder.send_timeout(Duration::from_millis(20));
    let server = builder.bind(&path).unwrap().spawn().unwrap();
    // Not connected, for a connected client's queue has no limit of its own.
    let own = socket_path();
    let deaf = UnixDatagram::bind(&own).unwrap();
    deaf.set_write_timeout(Some(DEADLINE)).unwrap();
    let queue = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let queue: usize = queue.trim().parse().unwrap();
    for _ in 0..queue + 5 {
        deaf.send_to(b"who am I?", &path).unwrap();
    }
    let path_of_server = path.to_path_buf();
    within_deadline(move || check_served(&path_of_server));
    stop(server);
    let told = noting.trace.texts();
    assert!(!told.is_empty() && told.iter().all(|told| told == "error: timed out"), "{told:?}");
}

/// A coroutine waits for room as well, and others go on meanwhile.
#[test]
fn a_client_that_never_reads_does_not_hold_up_the_others_of_its_thread() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let mut mixin = socketserver::mixin::Coroutine::default();
    mixin.workers = 1;
    let builder = CoroutineUnixDatagramServer::builder(|| HandlerFn::new(names)).mixin(mixin);
    // Longer than the test may take.
    let builder = builder.server(noting.clone()).send_timeout(Duration::from_secs(600));
    let server = builder.bind(&path).unwrap().spawn().unwrap();
    // Not connected, for a connected client's queue has no limit of its own.
    let own = socket_path();
    let deaf = UnixDatagram::bind(&own).unwrap();
    deaf.set_write_timeout(Some(DEADLINE)).unwrap();
    deaf.set_read_timeout(Some(DEADLINE)).unwrap();
    let queue = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let queue: usize = queue.trim().parse().unwrap();
    for _ in 0..queue + 5 {
        deaf.send_to(b"who am I?", &path).unwrap();
    }
    // Replies wait, each in its coroutine.
    testkit::eventually("they wait", || server.active_requests() > 0);
    let path_of_server = path.to_path_buf();
    within_deadline(move || check_served(&path_of_server));
    // When there is room, they go.
    for _ in 0..queue + 5 {
        deaf.recv(&mut [0; 256]).unwrap();
    }
    stop(server);
    assert!(noting.trace.texts().is_empty(), "{:?}", noting.trace.texts());
}

/// A92, for a Unix socket: what is sent to must be a Unix socket's address.
#[test]
fn an_address_of_another_kind_cannot_be_sent_to() {
    let _alone = alone();
    fn strays(request: &mut Request<'_>) -> Result {
        let error = request.send_to(b"x", &Address::Other("nowhere".into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        request.wfile = b"told".to_vec();
        Ok(())
    }
    let path = socket_path();
    let builder = UnixDatagramServer::builder(|| HandlerFn::new(strays)).server(Noting::default());
    let server = builder.bind(&path).unwrap().spawn().unwrap();
    let (client, _own) = unix_datagram_client(&path).unwrap();
    client.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0; 64]).unwrap(), 4);
    stop(server);
}
