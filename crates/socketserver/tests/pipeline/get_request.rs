//! Requests that cannot be taken off the socket, and hooks of the transport's that panic.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketserver::observe::{AcceptAction, Event};
use socketserver::transport::{Connection, ServerBind, Stream, Tcp, Transport};
use socketserver::{Address, Outcome, Result, StreamRequest, TcpServer, handler_fn};
use testkit::{DEADLINE, Trace, alone};

use crate::noting::{Noting, connect, stop};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// `get_request` fails with this error's number.
    Errno(i32),
    /// `get_request` fails with an error that is none of the system's.
    Error,
    /// The method of this name panics.
    Panic(&'static str),
}

/// A transport that something goes wrong with, once.
#[derive(Debug)]
struct Clumsy {
    tcp: Tcp,
    mishap: Mishap,
    armed: AtomicBool,
}

impl Clumsy {
    fn is_due(&self, mishap: Mishap) -> bool {
        self.mishap == mishap && self.armed.swap(false, Ordering::SeqCst)
    }

    fn called(&self, method: &'static str) {
        assert!(!self.is_due(Mishap::Panic(method)), "in {method}");
    }
}

impl Transport for Clumsy {
    type Kind = Stream;
    type Socket = TcpListener;
    type Request = TcpStream;

    fn server_activate(&self, socket: &TcpListener) -> io::Result<()> {
        self.tcp.server_activate(socket)
    }

    fn server_address(&self, socket: &TcpListener) -> io::Result<Address> {
        self.tcp.server_address(socket)
    }

    fn get_request(&self, socket: &TcpListener) -> io::Result<(Arc<TcpStream>, Address)> {
        self.called("get_request");
        match self.mishap {
            Mishap::Errno(number) if self.is_due(self.mishap) => {
                Err(io::Error::from_raw_os_error(number))
            }
            Mishap::Error if self.is_due(self.mishap) => Err(io::Error::other("upside down")),
            _ => self.tcp.get_request(socket),
        }
    }

    fn connection(&self, request: &Arc<TcpStream>) -> Arc<dyn Connection> {
        self.tcp.connection(request)
    }

    fn open(
        &self,
        request: &Arc<TcpStream>,
        client_address: &mut Address,
    ) -> Result<Arc<dyn Connection>> {
        self.called("open");
        self.tcp.open(request, client_address)
    }

    fn shutdown_request(&self, request: &TcpStream) {
        self.tcp.shutdown_request(request);
        self.called("shutdown_request");
    }

    fn close_request(&self, request: Arc<TcpStream>) {
        self.tcp.close_request(request);
        self.called("close_request");
    }
}

impl<A> ServerBind<A> for Clumsy
where
    Tcp: ServerBind<A, Socket = TcpListener>,
{
    fn server_bind(&self, address: A) -> io::Result<TcpListener> {
        self.tcp.server_bind(address)
    }
}

/// A server that greets, and takes note of what its observer hears.
macro_rules! clumsy {
    ($mishap:expr) => {{
        let noting = Noting::default();
        let trace = Arc::clone(&noting.trace);
        let greets = |request: &mut StreamRequest<'_, Noting>| {
            Ok(request.connection().send_all(b"hello")?)
        };
        let builder = TcpServer::builder(handler_fn(greets))
            .transport(|tcp| Clumsy { tcp, mishap: $mishap, armed: true.into() })
            .observer(move |event: &Event<'_>| take_note(&trace, event))
            .server(noting);
        builder.timeout(DEADLINE)
    }};
}

fn take_note(trace: &Trace, event: &Event<'_>) {
    match event {
        Event::AcceptError { error, action, .. } => {
            let action = match action {
                AcceptAction::Pause(_) => "Pause".to_owned(),
                action => format!("{action:?}"),
            };
            trace.note(format!("{action}: {error}"));
        }
        Event::HookPanicked { hook, .. } => trace.note(format!("{hook} panicked")),
        _ => {}
    }
}

/// A43, B27: an error of one client's does not end the loop, but is not swallowed either. The
/// next client is served; `handle_error` hears nothing, for there is no request.
#[test]
fn an_error_while_accepting_is_told_and_the_next_client_is_served() {
    let _alone = alone();
    const ECONNABORTED: i32 = 103;
    const ENOBUFS: i32 = 105;
    for (mishap, told) in [
        (Mishap::Errno(ECONNABORTED), "Continue: Software caused connection abort (os error 103)"),
        (Mishap::Errno(ENOBUFS), "Pause: No buffer space available (os error 105)"),
        (Mishap::Error, "Pause: upside down"),
    ] {
        let server = clumsy!(mishap).bind("127.0.0.1:0").unwrap();
        let mut client = connect(server.server_address());
        assert_eq!(server.handle_request().unwrap(), Outcome::AcceptFailed);
        assert_eq!(server.server().trace.texts(), [told]);

        let server = server.spawn().unwrap();
        assert_eq!(client.read_to_end().unwrap(), b"hello");
        stop(server);
    }
}

/// A43: that there was no request after all is no error.
#[test]
fn a_request_that_is_gone_before_it_is_accepted_is_nothing() {
    let _alone = alone();
    const EAGAIN: i32 = 11;
    let server = clumsy!(Mishap::Errno(EAGAIN)).bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    assert_eq!(server.handle_request().unwrap(), Outcome::Nothing);
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.read_to_end().unwrap(), b"hello");
    assert!(server.server().trace.texts().is_empty());
}

/// A43: what makes the socket useless ends the loop, with the error, instead of spinning.
#[test]
fn an_error_that_makes_the_socket_useless_is_the_loops() {
    let _alone = alone();
    const EINVAL: i32 = 22;
    let server = clumsy!(Mishap::Errno(EINVAL)).bind("127.0.0.1:0").unwrap();
    let _client = connect(server.server_address());
    let error = server.serve_forever().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(server.server().trace.texts(), ["Stop: Invalid argument (os error 22)"]);
}

/// A26, B28.
#[test]
fn a_panic_in_the_transport_is_told_and_the_next_client_is_served() {
    let _alone = alone();
    for (method, first, notes) in [
        ("get_request", "hello", &["get_request panicked", "Pause: "][..]),
        ("open", "", &["error: request handler panicked: in open"]),
        ("shutdown_request", "hello", &["shutdown_request panicked"]),
        ("close_request", "hello", &["close_request panicked"]),
    ] {
        let server = clumsy!(Mishap::Panic(method)).bind("127.0.0.1:0").unwrap();
        let server = server.spawn().unwrap();
        for expected in [first, "hello"] {
            let reply = connect(server.server_address()).read_to_end().unwrap();
            assert_eq!(String::from_utf8(reply).unwrap(), expected, "after a panic in {method}");
        }
        let trace = Arc::clone(&server.server().trace);
        stop(server);
        let texts = trace.texts();
        assert_eq!(texts.len(), notes.len(), "{texts:?}");
        for (text, note) in texts.iter().zip(notes) {
            assert!(text.starts_with(note), "{texts:?}");
        }
    }
}
