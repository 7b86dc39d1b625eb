//! Closing while the client still sends: the reply is not cut, and the server is not held.

use std::io::Write;
use std::time::{Duration, Instant};

use socketserver::{Result, StreamRequest, TcpServer, UnixStreamServer, handler_fn};
use testkit::{Connect, DEADLINE, alone, socket_path, within_deadline};

use crate::noting::{connect, stop};

const MIB: usize = 1024 * 1024;

/// Answers with a megabyte, and reads nothing.
fn answers(request: &mut StreamRequest<'_>) -> Result {
    Ok(request.wfile.write_all(&[b'x'; MIB])?)
}

fn says_no(request: &mut StreamRequest<'_>) -> Result {
    Ok(request.wfile.write_all(b"no")?)
}

/// B24: a close with unread input would be a reset, which throws away what the client has not
/// yet received. Python's client gets a part of this reply.
///
/// The input is here when the request ends. What comes only after that is not waited for.
#[test]
fn unread_input_does_not_cut_the_reply() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let server = $alias::bind($address, handler_fn(answers)).unwrap();
            let mut client = connect(server.server_address());
            client.send([b'?'; 1000]).unwrap();
            let server = server.spawn().unwrap();
            let reply = within_deadline(move || client.read_to_end());
            assert_eq!(reply.unwrap().len(), MIB);
            stop(server);
        };
    }
    check!(TcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
}

/// B24: a client that sends all of its own before it reads anything, as those do that upload. It
/// has begun when the reply is sent, and goes on for long after it.
#[test]
fn a_client_that_sends_first_gets_its_refusal_though_nobody_reads_what_it_sends() {
    let _alone = alone();
    let builder = TcpServer::builder(handler_fn(says_no)).linger(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    client.send("the beginning").unwrap();
    let server = server.spawn().unwrap();
    let reply = within_deadline(move || {
        client.send(vec![b'?'; 16 * MIB]).unwrap();
        client.end().unwrap();
        client.read_to_end()
    });
    assert_eq!(reply.unwrap(), b"no");
    stop(server);
}

/// B24: bounded. This server has one thread, and its first client sends for ever.
#[test]
fn a_client_that_sends_for_ever_does_not_hold_the_server() {
    let _alone = alone();
    let builder = TcpServer::builder(handler_fn(says_no)).linger(Duration::from_millis(50));
    let server = builder.bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut flood = connect(server.server_address());
    flood.send("the beginning").unwrap();
    let server = server.spawn().unwrap();
    let flooding = std::thread::spawn(move || while flood.send([b'?'; MIB]).is_ok() {});
    let reply = within_deadline(move || address.connect().unwrap().exchange("").unwrap());
    assert_eq!(reply, b"no");
    // It is cut in the end, so it ends.
    within_deadline(move || flooding.join().unwrap());
    stop(server);
}

/// B24: bounded too when the client sends no more, but does not close.
#[test]
fn a_client_that_leaves_its_end_open_does_not_hold_the_server() {
    let _alone = alone();
    let builder = TcpServer::builder(handler_fn(says_no)).linger(Duration::from_millis(50));
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut idle = connect(server.server_address());
    idle.send("unread").unwrap();
    let server = server.spawn().unwrap();
    let reply = connect(server.server_address()).exchange("").unwrap();
    assert_eq!(reply, b"no");
    // Whether the end or a reset comes after it, the reply is there.
    assert_eq!(idle.read_exactly(2).unwrap(), b"no");
    stop(server);
}

/// A client without unread input costs no wait at all, whatever the limit is.
#[test]
fn without_unread_input_a_connection_is_closed_at_once() {
    let _alone = alone();
    let builder = TcpServer::builder(handler_fn(says_no)).linger(DEADLINE * 100);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut open = connect(server.server_address());
    assert_eq!(open.read_to_end().unwrap(), b"no");
    // The first client's end is still open.
    assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"no");
    stop(server);
}

/// Zero for not at all. By default, these clients would hold the server for two seconds each.
#[test]
fn lingering_can_be_switched_off() {
    let _alone = alone();
    let builder = TcpServer::builder(handler_fn(says_no)).linger(Duration::ZERO);
    let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    for _ in 0..50 {
        let mut client = connect(server.server_address());
        client.send("unread").unwrap();
        server.handle_request().unwrap();
    }
    assert!(begun.elapsed() < DEADLINE);
}
