//! Who sees the end of a connection, and when.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::channel;

use socketserver::transport::Connection;
use socketserver::{
    Result, StreamRequest, TcpServer, ThreadingTcpServer, ThreadingUnixStreamServer,
    UnixStreamServer, handler_fn,
};
use testkit::{DEADLINE, alone, socket_path};

use crate::common::{
    EpollTcpServer, EpollUnixStreamServer, IoUringTcpServer, IoUringUnixStreamServer,
};
use crate::noting::{connect, stop};

/// Reads to the client's end, and only then answers.
fn sums_up(request: &mut StreamRequest<'_>) -> Result {
    let mut all = Vec::new();
    request.rfile.read_to_end(&mut all)?;
    Ok(write!(request.wfile, "{} bytes", all.len())?)
}

/// A89: the handler sees the end, and its reply still arrives, and then the server's end.
#[test]
fn a_client_that_has_ended_still_gets_its_reply() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let server = $alias::bind($address, handler_fn(sums_up)).unwrap().spawn().unwrap();
            for input in ["", "hello"] {
                let reply = connect(server.server_address()).exchange(input).unwrap();
                assert_eq!(String::from_utf8(reply).unwrap(), format!("{} bytes", input.len()));
            }
            stop(server);
        };
    }
    check!(TcpServer, "127.0.0.1:0");
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
    check!(ThreadingUnixStreamServer, &path);
    check!(EpollUnixStreamServer, &path);
    check!(IoUringUnixStreamServer, &path);
}

/// A53: the connection, and a duplicate of its descriptor, are kept; the client sees the end all
/// the same.
#[test]
fn the_client_sees_the_end_though_the_handler_keeps_the_connection() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let (sender, receiver) = channel();
            let keeps = move |request: &mut StreamRequest<'_>| {
                let kept = Arc::clone(request.connection());
                let duplicate = rustix::io::dup(&kept)?;
                Ok(sender.send((kept, duplicate))?)
            };
            let server = $alias::bind($address, handler_fn(keeps)).unwrap().spawn().unwrap();
            let mut client = connect(server.server_address());
            let kept = receiver.recv_timeout(DEADLINE).unwrap();
            assert_eq!(client.read_to_end().unwrap(), b"");
            drop(kept);
            stop(server);
        };
    }
    check!(TcpServer, "127.0.0.1:0");
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
}

/// A42: one connection, several threads: one reads while another writes.
#[test]
fn the_connection_can_be_handed_to_another_thread() {
    let _alone = alone();
    let relays = |request: &mut StreamRequest<'_>| -> Result {
        let (sender, receiver) = channel::<String>();
        let connection: Arc<dyn Connection> = Arc::clone(request.connection());
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for line in receiver {
                    connection.send_all(line.to_uppercase().as_bytes())?;
                }
                connection.shutdown(Shutdown::Write)
            });
            let StreamRequest { rfile, .. } = request;
            for line in rfile.lines() {
                sender.send(line? + "\n")?;
            }
            drop(sender);
            Ok(writer.join().map_err(|_| "the writer panicked")??)
        })
    };
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(relays)).unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    for (line, reply) in [("one\n", "ONE\n"), ("two\n", "TWO\n")] {
        client.send(line).unwrap();
        assert_eq!(client.read_line().unwrap(), reply);
    }
    client.end().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    stop(server);
}

/// What `std` knows to do with a reader and a writer works on a connection too.
#[test]
fn a_connection_reads_and_writes_as_std_has_it() {
    let _alone = alone();
    let copies = |request: &mut StreamRequest<'_>| -> Result {
        let connection = &**request.connection();
        let (mut reader, mut writer) = (connection, connection);
        std::io::copy(&mut reader, &mut writer)?;
        Ok(writer.flush()?)
    };
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(copies)).unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).exchange("copied").unwrap(), b"copied");
    stop(server);
}
