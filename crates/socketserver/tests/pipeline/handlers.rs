//! What may be a handler, and the connection that it gets.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::sockopt::{Timeout, socket_timeout};
use socketserver::transport::{Stream, Tcp};
use socketserver::{
    BaseRequest, BaseRequestHandler, BaseServer, Failed, FinishRequest, Outcome, Result,
    StreamRequest, StreamRequestHandler, TcpServer, ThreadingTcpServer, handler_fn,
};
use testkit::{DEADLINE, alone};

use crate::noting::{connect, stop};

/// Says a word.
struct Says(&'static str);

impl<S> StreamRequestHandler<S> for Says {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        Ok(request.wfile.write_all(self.0.as_bytes())?)
    }
}

fn says(word: &'static str) -> impl Fn(&mut StreamRequest<'_>) -> Result + Clone {
    move |request| Ok(request.wfile.write_all(word.as_bytes())?)
}

/// A51: a type, a function, a closure with what it has captured, a box of any of them.
#[test]
fn whatever_can_be_called_may_handle_requests() {
    let _alone = alone();
    macro_rules! check {
        ($handler:expr) => {
            let server = ThreadingTcpServer::bind("127.0.0.1:0", $handler).unwrap();
            let server = server.spawn().unwrap();
            assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
            stop(server);
        };
    }
    fn hello(request: &mut StreamRequest<'_>) -> Result {
        Ok(request.wfile.write_all(b"hello")?)
    }
    let word = "hello".to_owned();
    check!(|| Says("hello"));
    check!(handler_fn(hello));
    check!(handler_fn(says("hello")));
    check!(handler_fn(move |request| Ok(request.wfile.write_all(word.as_bytes())?)));
    check!(|| Box::new(Says("hello")) as Box<dyn StreamRequestHandler>);
}

/// A51: Python looks `RequestHandlerClass` up for each request; here the function that makes the
/// handler is called for each.
#[test]
fn the_handler_may_be_swapped_while_the_server_serves() {
    let _alone = alone();
    let polite = Arc::new(AtomicBool::new(true));
    let is_polite = Arc::clone(&polite);
    let handler = move || -> Box<dyn StreamRequestHandler> {
        match is_polite.load(Ordering::SeqCst) {
            true => Box::new(Says("hello")),
            false => Box::new(Says("what")),
        }
    };
    let server = TcpServer::bind("127.0.0.1:0", handler).unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    polite.store(false, Ordering::SeqCst);
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"what");
    stop(server);
}

/// Gives every other request to another handler than the server's.
#[derive(Default)]
struct Alternating(AtomicBool);

impl BaseServer<Tcp> for Alternating {
    fn finish_request(&self, request: FinishRequest<'_, Stream, Self>) -> Result<(), Failed> {
        match self.0.fetch_xor(true, Ordering::SeqCst) {
            true => request.finish_with(&mut Raw),
            false => request.finish(),
        }
    }
}

/// Answers on the connection itself.
struct Raw;

impl<S> BaseRequestHandler<Stream, S> for Raw {
    fn handle(&mut self, request: &mut BaseRequest<'_, Stream, S>) -> Result {
        Ok(request.request.send_all(b"raw")?)
    }
}

/// A93: and the default is still there to be called.
#[test]
fn finish_request_may_choose_another_handler() {
    let _alone = alone();
    let builder = TcpServer::builder(|| Says("hello")).server(Alternating::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    for reply in ["hello", "raw", "hello"] {
        let got = connect(server.server_address()).read_to_end().unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), reply);
    }
    stop(server);
}

/// A21, A54: the listener does not block and the server has a timeout; the connection has
/// neither, and is closed on `exec`.
#[test]
fn an_accepted_connection_blocks_and_has_no_timeout() {
    let _alone = alone();
    let tells = |request: &mut StreamRequest<'_>| {
        let connection = request.connection();
        let nonblocking = fcntl_getfl(connection)?.contains(OFlags::NONBLOCK);
        let cloexec = fcntl_getfd(connection)?.contains(FdFlags::CLOEXEC);
        let timeout = socket_timeout(connection, Timeout::Recv)?;
        Ok(write!(request.wfile, "{nonblocking} {cloexec} {timeout:?}")?)
    };
    let builder = TcpServer::builder(handler_fn(tells)).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.read_to_end().unwrap(), b"false true None");
}

/// A40, B36: the server's timeout is for a request to come. The handler here waits for longer.
#[test]
fn the_servers_timeout_does_not_bound_the_handling_of_a_request() {
    let _alone = alone();
    const TIMEOUT: Duration = Duration::from_millis(20);
    let waits = |request: &mut StreamRequest<'_>| {
        std::thread::sleep(TIMEOUT * 3);
        Ok(request.wfile.write_all(b"done")?)
    };
    let builder = TcpServer::builder(handler_fn(waits)).timeout(TIMEOUT);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.read_to_end().unwrap(), b"done");
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
}

/// B10: what a synchronous server is, and a threading one is not. A handler's timeout is the
/// remedy where there is but one thread.
#[test]
fn one_idle_client_blocks_a_synchronous_server_only_for_its_timeout() {
    let _alone = alone();
    struct Impatient;
    impl StreamRequestHandler for Impatient {
        fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
            let line = request.rfile.lines().next().transpose();
            let line = line.unwrap_or_else(|error| Some(format!("{:?}", error.kind())));
            Ok(request.wfile.write_all(line.unwrap_or_default().as_bytes())?)
        }

        fn timeout(&self) -> Option<Duration> {
            Some(Duration::from_millis(50))
        }
    }
    let builder = TcpServer::builder(|| Impatient).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut idle = connect(server.server_address());
    // Sent before the server looks, so that it is not this client that is too slow.
    let mut next = connect(server.server_address());
    next.send("hello\n").unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(idle.read_to_end().unwrap(), b"TimedOut");
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(next.read_to_end().unwrap(), b"hello");
}
