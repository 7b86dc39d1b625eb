//! A handler's timeout: for each operation, and neither for all of them nor for anything else.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use socketserver::{
    Result, StreamRequest, StreamRequestHandler, TcpServer, ThreadingTcpServer, UnixStreamServer,
};
use testkit::{DEADLINE, alone, socket_path};

use crate::common::{EpollTcpServer, IoUringTcpServer};
use crate::noting::{Noting, connect, stop};

/// Runs a function with a timeout.
struct Timed<F>(Duration, F);

impl<F, S> StreamRequestHandler<S> for Timed<F>
where
    F: Fn(&mut StreamRequest<'_, S>) -> Result,
{
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        (self.1)(request)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.0)
    }
}

const SHORT: Duration = Duration::from_millis(30);

fn times_out(request: &mut StreamRequest<'_, Noting>) -> Result {
    let error = request.rfile.read(&mut [0]).expect_err("nothing is sent");
    request.server.trace.note(format!("{:?}", error.kind()));
    // In Python, no read works after this one.
    request.wfile.write_all(b"still there?")?;
    let answer = loop {
        match request.rfile.read_exactly(4) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            answer => break answer?,
        }
    };
    request.server.trace.note(String::from_utf8(answer)?);
    Err(error.into())
}

/// A88: the error is told from others by its kind, and is no disconnect; the connection is as
/// good as before.
#[test]
fn a_read_that_takes_too_long_is_timed_out_and_the_next_may_succeed() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let noting = Noting::default();
            let builder = $alias::builder(|| Timed(SHORT, times_out)).server(noting.clone());
            let server = builder.bind($address).unwrap().spawn().unwrap();
            let mut client = connect(server.server_address());
            assert_eq!(client.read_exactly(12).unwrap(), b"still there?");
            client.send("yes.").unwrap();
            assert_eq!(client.read_to_end().unwrap(), b"");
            stop(server);
            assert_eq!(noting.trace.texts(), ["TimedOut", "yes.", "error: timed out"]);
        };
    }
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(TcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
}

/// A88, B9: the timeout is for each operation. This request takes far longer than it, in the
/// handler's own time and between two reads that do not wait.
#[test]
fn the_timeout_does_not_bound_the_whole_request() {
    let _alone = alone();
    let dawdles = |request: &mut StreamRequest<'_>| {
        for _ in 0..3 {
            request.rfile.read_exactly(1)?;
            std::thread::sleep(SHORT * 2);
        }
        Ok(request.wfile.write_all(b"done")?)
    };
    let builder = TcpServer::builder(move || Timed(SHORT, dawdles)).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    client.send("abc").unwrap();
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"done");
}

/// B9: what it does not bound, and Python's does not either: a client that sends a byte now and
/// then keeps its connection for as long as it likes. The line takes longer than the timeout.
#[test]
fn a_client_that_sends_a_byte_now_and_then_is_not_timed_out() {
    let _alone = alone();
    const TIMEOUT: Duration = Duration::from_millis(1200);
    const PAUSE: Duration = Duration::from_millis(100);
    let line = "one byte now";
    let reads = |request: &mut StreamRequest<'_>| {
        let StreamRequest { rfile, wfile, .. } = request;
        let line = rfile.lines().next().transpose()?;
        Ok(wfile.write_all(line.unwrap_or_default().as_bytes())?)
    };
    let server = TcpServer::bind("127.0.0.1:0", move || Timed(TIMEOUT, reads)).unwrap();
    let server = server.spawn().unwrap();
    let mut client = connect(server.server_address());
    assert!(PAUSE * line.len() as u32 >= TIMEOUT);
    for byte in line.bytes() {
        std::thread::sleep(PAUSE);
        client.send([byte]).unwrap();
    }
    client.send("\n").unwrap();
    assert_eq!(client.read_to_end().unwrap(), line.as_bytes());
    stop(server);
}

fn writes_much<S>(request: &mut StreamRequest<'_, S>) -> Result {
    Ok(request.wfile.write_all(&[b'x'; 16 * 1024 * 1024])?)
}

/// A88: a write waits no longer either.
#[test]
fn a_write_to_a_client_that_does_not_read_is_timed_out() {
    let _alone = alone();
    let noting = Noting::default();
    let builder = TcpServer::builder(|| Timed(SHORT, writes_much)).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    let _client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(noting.trace.texts(), ["error: timed out"]);
}

/// A88: Python limits the whole of a `sendall`, so that a client that reads slowly but steadily
/// is cut. Here it is not: this reply takes longer than the timeout.
#[test]
fn a_client_that_reads_slowly_but_steadily_is_not_timed_out() {
    let _alone = alone();
    const TIMEOUT: Duration = Duration::from_millis(1000);
    const PAUSE: Duration = Duration::from_millis(50);
    const LEN: usize = 512 * 1024;
    let writes = |request: &mut StreamRequest<'_>| Ok(request.wfile.write_all(&[b'x'; LEN])?);
    let builder = TcpServer::builder(move || Timed(TIMEOUT, writes));
    // Accepted connections have the listener's; so most of the reply waits in the handler.
    let builder = builder.before_bind(|socket| {
        Ok(rustix::net::sockopt::set_socket_send_buffer_size(socket, 4 * 1024)?)
    });
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    let mut steps = 0;
    for _ in 0..LEN / (16 * 1024) {
        assert_eq!(client.read_exactly(16 * 1024).unwrap().len(), 16 * 1024);
        std::thread::sleep(PAUSE);
        steps += 1;
    }
    assert!(PAUSE * steps > TIMEOUT);
    assert_eq!(client.read_to_end().unwrap(), b"");
    stop(server);
}

/// A88: no timeout at all is no timeout of zero; that one is refused, for every request.
#[test]
fn a_timeout_of_zero_is_an_error_of_every_request() {
    let _alone = alone();
    let noting = Noting::default();
    let builder = TcpServer::builder(|| Timed(Duration::ZERO, writes_much)).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    assert_eq!(noting.trace.texts().len(), 1);
    assert!(noting.trace.texts()[0].contains("timeout"), "{:?}", noting.trace.texts());
}
