//! Servers that are closed on one of their own threads.

use std::io::{BufRead, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use socketserver::mixin::{AnyMixIn, Synchronous, Threading};
use socketserver::transport::Tcp;
use socketserver::{
    Address, BaseServer, HandlerFn, RequestError, Result, Server, StreamRequest, TcpServer,
};
use testkit::{Connect, DEADLINE, Gate, Trace};

type Handler = HandlerFn<fn(&mut StreamRequest<'_, Closing>) -> Result>;

/// Where a server is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Handler,
    VerifyRequest,
    HandleError,
    ServiceActions,
}

/// A server that closes itself.
struct Closing {
    place: In,
    /// How long it then waits for its requests.
    deadline: Option<Duration>,
    close: OnceLock<Box<dyn Fn(Option<Duration>) -> bool + Send + Sync>>,
    trace: Trace,
    gate: Gate,
}

impl Closing {
    fn called(&self, place: In) {
        if self.place == place {
            let is_complete = self.close.get().unwrap()(self.deadline);
            self.trace.note(format!("closed {is_complete}"));
        }
    }
}

impl BaseServer for Closing {
    fn verify_request(&self, _: &TcpStream, _: &Address) -> bool {
        self.called(In::VerifyRequest);
        true
    }

    fn handle_error(&self, _: &RequestError, _: &Address) {
        self.called(In::HandleError);
    }

    fn service_actions(&self) {
        self.called(In::ServiceActions);
    }
}

/// Closes the server if its line says so, is held if it says that, and answers.
fn handle(request: &mut StreamRequest<'_, Closing>) -> Result {
    let mut line = String::new();
    request.rfile.read_line(&mut line)?;
    match line.trim_end() {
        "hold" => {
            request.server.trace.note("held");
            request.server.gate.pass();
        }
        "fail" => return Err("failed as asked".into()),
        _ => request.server.called(In::Handler),
    }
    Ok(request.wfile.write_all(b"done\n")?)
}

fn server(
    mixin: impl Into<AnyMixIn>,
    place: In,
    deadline: Option<Duration>,
) -> Arc<Server<Tcp, AnyMixIn, Handler, Closing>> {
    let (trace, gate) = (Trace::new(), Gate::new());
    let handler: fn(&mut StreamRequest<'_, Closing>) -> Result = handle;
    let server = TcpServer::builder(move || HandlerFn::new(handler))
        .mixin(mixin.into())
        .server(Closing { place, deadline, close: OnceLock::new(), trace, gate })
        .bind("127.0.0.1:0")
        .unwrap();
    let server = Arc::new(server);
    // Weak, for the state is the server's own.
    let weak = Arc::downgrade(&server);
    let close = move |deadline| weak.upgrade().unwrap().server_close(deadline);
    assert!(server.server().close.set(Box::new(close)).is_ok());
    server
}

/// One client; the loop ends by itself, and the client is answered.
fn closes_itself(mixin: impl Into<AnyMixIn>, place: In, line: &str, reply: &[u8]) {
    let _alone = testkit::alone();
    let server = server(mixin, place, None);
    let address = server.server_address().as_inet().unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let client = Connect::Tcp(address).connect().unwrap();
        assert_eq!(client.exchange(line).unwrap(), reply);
        serving.join().unwrap().unwrap();
    });
    assert_eq!(server.server().trace.count("closed true"), 1);
    assert!(server.server_close(None));
}

/// B14: in Python, it cannot join itself, and forgets the others.
#[test]
fn a_threads_handler_closes_its_server() {
    closes_itself(Threading::default(), In::Handler, "close\n", b"done\n");
}

/// B2, B14.
#[test]
fn a_synchronous_handler_closes_its_server() {
    closes_itself(Synchronous::default(), In::Handler, "close\n", b"done\n");
}

/// B14: before its handler has run; the request is handled all the same.
#[test]
fn verify_request_closes_its_server() {
    closes_itself(Synchronous::default(), In::VerifyRequest, "close\n", b"done\n");
}

/// B14: and with threads.
#[test]
fn verify_request_closes_its_threading_server() {
    closes_itself(Threading::default(), In::VerifyRequest, "close\n", b"done\n");
}

/// B14.
#[test]
fn handle_error_closes_its_server() {
    closes_itself(Synchronous::default(), In::HandleError, "fail\n", b"");
}

/// B14.
#[test]
fn handle_error_closes_its_threading_server() {
    closes_itself(Threading::default(), In::HandleError, "fail\n", b"");
}

/// B14.
#[test]
fn service_actions_closes_its_server() {
    closes_itself(Synchronous::default(), In::ServiceActions, "close\n", b"done\n");
}

/// B14: it waits for the others, and not for itself.
#[test]
fn a_handler_that_closes_its_server_waits_for_the_others() {
    let _alone = testkit::alone();
    let server = server(Threading::default(), In::Handler, Some(DEADLINE));
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut held = address.connect().unwrap();
        held.send("hold\n").unwrap();
        server.server().trace.wait_for("held");
        let mut closer = address.connect().unwrap();
        closer.send("close\n").unwrap();
        serving.join().unwrap().unwrap();
        assert_eq!(server.server().trace.count("closed"), 0, "it waits for the other");
        server.server().gate.open();
        assert_eq!(held.read_to_end().unwrap(), b"done\n");
        assert_eq!(closer.read_to_end().unwrap(), b"done\n");
    });
    assert_eq!(server.server().trace.count("closed true"), 1);
}

/// B14: two that close at the same time wait for each other, and no longer than they said.
#[test]
fn two_handlers_close_their_server_within_their_deadlines() {
    let _alone = testkit::alone();
    let server = server(Threading::default(), In::Handler, Some(Duration::from_millis(50)));
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut clients = [address.connect().unwrap(), address.connect().unwrap()];
        // Both run before either closes.
        testkit::eventually("two requests", || server.active_requests() == 2);
        for client in &mut clients {
            client.send("close\n").unwrap();
        }
        serving.join().unwrap().unwrap();
        server.server().trace.wait_for_several(2, "closed");
    });
    assert!(server.server_close(Some(DEADLINE)));
}
