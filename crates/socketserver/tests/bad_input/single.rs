//! One bad client at a time.

use std::sync::Arc;
use std::time::Duration;

use socketserver::{TcpServer, ThreadingTcpServer, ThreadingUnixStreamServer};
use testkit::{Client, DEADLINE, alone, eventually, socket_path, within_deadline};

use crate::Echo;
use crate::common::{
    EpollTcpServer, EpollUnixStreamServer, IoUringTcpServer, IoUringUnixStreamServer,
};
use crate::noting::{Noting, connect, stop};

const MIB: usize = 1024 * 1024;

/// How long a server closes a connection that the client still sends on.
const LINGER: Duration = Duration::from_millis(50);

fn check_served(address: &socketserver::Address) {
    let address = address.clone();
    let reply = within_deadline(move || connect(&address).exchange("hello\n").unwrap());
    assert_eq!(reply, b"hello\n");
}

/// B40: a server with one thread, and a client whose line never ends.
#[test]
fn a_line_without_an_end_is_cut_off_at_its_limit() {
    let _alone = alone();
    let noting = Noting::default();
    let builder = TcpServer::builder(Echo::default).server(noting.clone()).linger(LINGER);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut endless = connect(server.server_address());
    let sending = std::thread::spawn(move || while endless.send([b'x'; MIB]).is_ok() {});
    noting.trace.wait_for("error: a line is longer than 64 KiB");
    check_served(server.server_address());
    within_deadline(move || sending.join().unwrap());
    stop(server);
}

/// Each byte in a packet of its own.
#[test]
fn a_client_that_sends_a_byte_at_a_time_is_served_as_any_other() {
    let _alone = alone();
    let server = ThreadingTcpServer::bind("127.0.0.1:0", Echo::default).unwrap().spawn().unwrap();
    let mut slow = connect(server.server_address());
    rustix::net::sockopt::set_tcp_nodelay(&slow, true).unwrap();
    for line in ["one\r\n", "two\n", "\n"] {
        for byte in line.bytes() {
            slow.send([byte]).unwrap();
        }
        let expected = line.replace('\r', "");
        assert_eq!(slow.read_line().unwrap(), expected);
    }
    drop(slow);
    stop(server);
}

/// Sends for as long as the server takes something, and reads nothing.
fn fill(client: &mut Client) {
    let socket = rustix::io::dup(&*client).unwrap();
    let socket = std::net::TcpStream::from(socket);
    socket.set_write_timeout(Some(LINGER)).unwrap();
    while client.send("a line that is echoed\n".repeat(1000)).is_ok() {}
}

/// A client whose replies fill all there is on the way to it. Another is served meanwhile, and
/// in the end it is cut.
#[test]
fn a_client_that_never_reads_does_not_stop_a_threading_server() {
    let _alone = alone();
    let noting = Noting::default();
    let builder = ThreadingTcpServer::builder(Echo::default).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut deaf = connect(server.server_address());
    fill(&mut deaf);
    check_served(server.server_address());
    eventually("the end of the good request", || server.active_requests() == 1);
    let report = server.stop(Some(Duration::ZERO)).unwrap();
    assert_eq!((report.cut.len(), report.unfinished), (1, 0));
}

/// Where there is one thread, a timeout of the handler's is the remedy.
#[test]
fn a_client_that_never_reads_is_timed_out_where_there_is_one_thread() {
    let _alone = alone();
    let noting = Noting::default();
    let handler = || Echo { timeout: Some(LINGER) };
    let builder = TcpServer::builder(handler).server(noting.clone()).linger(LINGER);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut deaf = connect(server.server_address());
    fill(&mut deaf);
    noting.trace.wait_for("error: timed out");
    // This client is quick enough for any timeout, having sent before it is looked at.
    let trace = Arc::clone(&noting.trace);
    eventually("a client that is served", || {
        let address = server.server_address().clone();
        let reply = within_deadline(move || connect(&address).exchange("hello\n"));
        reply.is_ok_and(|reply| reply == b"hello\n")
    });
    drop(trace);
    stop(server);
}

/// B10: as browsers do, to be ready for the next request.
#[test]
fn a_client_that_connects_and_says_nothing_does_not_stop_a_threading_server() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let server = $alias::bind($address, Echo::default).unwrap().spawn().unwrap();
            let silent: Vec<_> = (0..20).map(|_| connect(server.server_address())).collect();
            eventually("all of them", || server.active_requests() == silent.len());
            check_served(server.server_address());
            drop(silent);
            stop(server);
        };
    }
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(ThreadingUnixStreamServer, &path);
    check!(EpollUnixStreamServer, &path);
    check!(IoUringUnixStreamServer, &path);
}

/// A88: and is let go of after its handler's timeout, on a server with one thread too.
#[test]
fn a_client_that_says_nothing_is_timed_out() {
    let _alone = alone();
    let noting = Noting::default();
    let handler = || Echo { timeout: Some(LINGER) };
    let builder = TcpServer::builder(handler).server(noting.clone()).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut silent = connect(server.server_address());
    let mut good = connect(server.server_address());
    good.send("hello\n").unwrap();
    good.end().unwrap();
    server.handle_request().unwrap();
    assert_eq!(silent.read_to_end().unwrap(), b"");
    server.handle_request().unwrap();
    assert_eq!(good.read_to_end().unwrap(), b"hello\n");
    assert_eq!(noting.trace.texts(), ["error: timed out"]);
}

/// Bytes that are no text, in a protocol of text.
#[test]
fn bytes_that_are_no_text_are_an_error_of_that_request() {
    let _alone = alone();
    let noting = Noting::default();
    let builder = TcpServer::builder(Echo::default).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let reply = connect(server.server_address()).exchange(b"good\n\xff\xfe\xfd\nnever\n").unwrap();
    assert_eq!(reply, b"good\n");
    check_served(server.server_address());
    stop(server);
    assert_eq!(noting.trace.texts(), ["error: a line is not UTF-8"]);
}
