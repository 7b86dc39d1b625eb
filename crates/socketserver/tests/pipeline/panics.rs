//! Panics, wherever they are: the request is closed, somebody is told, and the server goes on.

use std::io::Write;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketserver::observe::Event;
use socketserver::transport::{Stream, Transport};
use socketserver::{
    Address, BaseServer, Failed, FinishRequest, Outcome, RequestError, Result, StreamRequest,
    StreamRequestHandler, TcpServer, ThreadingTcpServer, handler_fn,
};
use testkit::{DEADLINE, Trace, alone};

use crate::common::{EpollTcpServer, IoUringTcpServer};
use crate::noting::{Noting, connect, stop, told};

/// Panics in the hook that it is told, once.
#[derive(Debug)]
struct Panicking {
    hook: &'static str,
    armed: AtomicBool,
    trace: Arc<Trace>,
}

impl Panicking {
    fn new(hook: &'static str) -> Self {
        Self { hook, armed: true.into(), trace: Arc::default() }
    }

    fn called(&self, hook: &str) {
        if hook == self.hook && self.armed.swap(false, Ordering::SeqCst) {
            panic!("in {hook}");
        }
    }
}

impl<T: Transport<Kind = Stream>> BaseServer<T> for Panicking {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        self.called("verify_request");
        true
    }

    fn finish_request(&self, request: FinishRequest<'_, Stream, Self>) -> Result<(), Failed> {
        self.called("finish_request");
        request.finish()
    }

    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(told(error));
        if let Some(connection) = error.connection() {
            connection.send_all(b"sorry").unwrap();
        }
        self.called("handle_error");
    }

    fn handle_timeout(&self) {
        self.called("handle_timeout");
    }

    fn service_actions(&self) {
        self.called("service_actions");
    }

    fn server_close(&self) {
        self.called("server_close");
    }
}

/// Greets, but fails when it is asked to.
struct Greeter;

impl<S> StreamRequestHandler<S> for Greeter {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        match request.rfile.lines().next().transpose()?.as_deref() {
            Some("fail") => Err("failed as asked".into()),
            _ => Ok(request.wfile.write_all(b"hello")?),
        }
    }
}

/// Takes note of the hooks that the observer is told to have panicked.
fn observer(trace: &Arc<Trace>) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let trace = Arc::clone(trace);
    move |event| {
        if let Event::HookPanicked { hook, .. } = event {
            trace.note(format!("{hook} panicked"));
        }
    }
}

macro_rules! greeter {
    ($alias:ident, $hook:literal) => {{
        let state = Panicking::new($hook);
        let observer = observer(&state.trace);
        let builder = $alias::builder(|| Greeter).server(state).observer(observer);
        builder.bind("127.0.0.1:0").unwrap().spawn().unwrap()
    }};
}

/// A45, B28: Python's loop ends, and the connection is never closed.
#[test]
fn a_panic_in_verify_request_refuses_the_request_and_the_next_is_served() {
    let _alone = alone();
    let server = greeter!(TcpServer, "verify_request");
    let mut client = connect(server.server_address());
    assert_eq!(client.read_to_end().unwrap(), b"sorry");
    assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"hello");
    let told = "error: request handler panicked: in verify_request";
    assert_eq!(server.server().trace.texts(), [told]);
    stop(server);
}

/// A48, A63, B28: in Python the connection leaks and the loop ends.
#[test]
fn a_panic_in_handle_error_closes_the_request_and_the_next_is_served() {
    let _alone = alone();
    macro_rules! check {
        ($alias:ident) => {
            let server = greeter!($alias, "handle_error");
            let address = server.server_address();
            assert_eq!(connect(address).exchange("fail\n").unwrap(), b"sorry");
            assert_eq!(connect(address).exchange("").unwrap(), b"hello");
            let notes = ["error: failed as asked", "handle_error panicked"];
            assert_eq!(server.server().trace.texts(), notes);
            stop(server);
        };
    }
    check!(TcpServer);
    check!(ThreadingTcpServer);
    check!(EpollTcpServer);
    check!(IoUringTcpServer);
}

/// A93, B28.
#[test]
fn a_panic_in_finish_request_is_the_requests_failure() {
    let _alone = alone();
    let server = greeter!(ThreadingTcpServer, "finish_request");
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"sorry");
    assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"hello");
    let told = "error: request handler panicked: in finish_request";
    assert_eq!(server.server().trace.texts(), [told]);
    stop(server);
}

/// A26, B28: the loop of Python ends.
#[test]
fn a_panic_in_service_actions_is_told_and_the_server_goes_on() {
    let _alone = alone();
    let server = greeter!(TcpServer, "service_actions");
    for _ in 0..2 {
        assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"hello");
    }
    server.server().trace.wait_for("service_actions panicked");
    assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"hello");
    assert_eq!(server.server().trace.count("service_actions"), 1);
    stop(server);
}

/// A38, B28.
#[test]
fn a_panic_in_handle_timeout_is_told_and_handle_request_returns() {
    let _alone = alone();
    let state = Panicking::new("handle_timeout");
    let observer = observer(&state.trace);
    let builder = TcpServer::builder(|| Greeter).server(state).observer(observer);
    let server = builder.timeout(Duration::ZERO).bind("127.0.0.1:0").unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
    assert_eq!(server.server().trace.texts(), ["handle_timeout panicked"]);
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
}

/// B28: the rest of the server's end is not left out.
#[test]
fn a_panic_in_server_close_is_told_and_the_server_is_closed() {
    let _alone = alone();
    let server = greeter!(ThreadingTcpServer, "server_close");
    assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"hello");
    assert!(server.server_close(Some(DEADLINE)));
    assert!(server.is_closed());
    assert_eq!(server.server().trace.texts(), ["server_close panicked"]);
    stop(server);
}

/// A47: there is no third kind of failure. A payload that is no text is a panic as any other.
#[test]
fn a_panic_with_any_payload_is_an_ordinary_failure() {
    let _alone = alone();
    let noting = Noting::default();
    let handle = |_: &mut StreamRequest<'_, Noting>| -> Result { panic_any(7_u8) };
    let builder = ThreadingTcpServer::builder(handler_fn(handle)).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"");
    stop(server);
    assert_eq!(noting.trace.texts(), ["error: request handler panicked"]);
}

/// Panics when it is made, or when it is dropped.
struct Fragile {
    breaks: bool,
}

impl StreamRequestHandler<Noting> for Fragile {
    fn handle(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        Ok(request.wfile.write_all(b"hello")?)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(!self.breaks, "dropped");
    }
}

/// A77, B28: making the handler and getting rid of it are parts of running it.
#[test]
fn a_panic_while_the_handler_is_made_or_dropped_is_the_requests_failure() {
    let _alone = alone();
    let noting = Noting::default();
    let made = AtomicBool::new(false);
    let builder = ThreadingTcpServer::builder(move || {
        assert!(made.swap(true, Ordering::SeqCst), "made");
        Fragile { breaks: true }
    });
    let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"");
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    stop(server);
    let told = |what| format!("error: request handler panicked: {what}");
    assert_eq!(noting.trace.texts(), [told("made"), told("dropped")]);
}
