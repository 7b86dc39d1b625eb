//! What `handle_error` gets, and what it can do with it.

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketserver::mixin::{MixIn, PendingRequest, Synchronous, Threading, Unprocessed};
use socketserver::transport::Transport;
use socketserver::{
    Address, BaseServer, DatagramRequest, Failure, HandlerFn, Outcome, RequestError, Result,
    StreamRequest, TcpServer, ThreadingTcpServer, UdpServer, handler_fn,
};
use testkit::{Client, DEADLINE, Trace, alone, datagram_client, within_deadline};

use crate::noting::{Noting, connect, stop, told};

/// Answers the client of a request that failed.
#[derive(Clone, Debug, Default)]
struct Apologetic {
    trace: Arc<Trace>,
}

impl<T: Transport> BaseServer<T> for Apologetic {
    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        self.trace.note(format!("{client_address} {}", told(error)));
        let text = format!("sorry: {error}");
        if let Some(connection) = error.connection() {
            connection.send_all(text.as_bytes()).unwrap();
        }
        if let Some(packet) = error.packet() {
            packet.send_to(text.as_bytes(), client_address).unwrap();
        }
    }
}

fn fails<S>(_: &mut StreamRequest<'_, S>) -> Result {
    Err("no luck".into())
}

fn read_text(client: &mut Client) -> String {
    String::from_utf8(client.read_to_end().unwrap()).unwrap()
}

/// A46: the connection is open when `handle_error` runs, wherever that is.
#[test]
fn handle_error_gets_the_error_and_the_address_and_can_still_answer() {
    let _alone = alone();
    let state = Apologetic::default();
    let synchronous = TcpServer::builder(handler_fn(fails)).server(state.clone());
    let synchronous = synchronous.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let threading = ThreadingTcpServer::builder(handler_fn(fails)).server(state.clone());
    let threading = threading.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    for address in [synchronous.server_address(), threading.server_address()] {
        let mut client = connect(address);
        let own = rustix::net::getsockname(&client).unwrap();
        let own = std::net::SocketAddr::try_from(own).unwrap();
        assert_eq!(read_text(&mut client), "sorry: no luck");
        assert_eq!(state.trace.texts(), [format!("{own} error: no luck")]);
        state.trace.clear();
    }
    stop(synchronous);
    stop(threading);
}

/// A46, for packets, whose request is the packet and the server's socket.
#[test]
fn handle_error_can_answer_a_packet() {
    let _alone = alone();
    fn fails(_: &mut DatagramRequest<'_, Apologetic>) -> Result {
        Err("no luck".into())
    }
    let builder = UdpServer::builder(|| HandlerFn::new(fails)).server(Apologetic::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"packet").unwrap();
    let mut reply = [0; 64];
    let len = client.recv(&mut reply).unwrap();
    assert_eq!(&reply[..len], b"sorry: no luck");
    stop(server);
}

/// Cannot start its first request.
#[derive(Debug, Default)]
struct Overloaded<M> {
    mixin: M,
    once: AtomicBool,
}

impl<P: PendingRequest, M: MixIn<P>> MixIn<P> for Overloaded<M> {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        if self.once.swap(true, Ordering::SeqCst) {
            return self.mixin.process_request(request);
        }
        let error = io::Error::other("no room at the inn");
        Err(Unprocessed { request, error })
    }

    fn server_activate(&self) -> io::Result<()> {
        self.mixin.server_activate()
    }

    fn has_room(&self) -> bool {
        self.mixin.has_room()
    }

    fn server_close(&self) {
        self.mixin.server_close();
    }
}

/// A46, A69, A75: `process_request` failing is as any other failure, and the next client is
/// served.
#[test]
fn a_request_that_cannot_be_started_goes_to_handle_error_and_is_closed() {
    let _alone = alone();
    fn greets(request: &mut StreamRequest<'_, Apologetic>) -> Result {
        Ok(request.wfile.write_all(b"hello")?)
    }
    macro_rules! check {
        ($mixin:ty) => {
            let builder = TcpServer::builder(handler_fn(greets)).server(Apologetic::default());
            let builder = builder.mixin(Overloaded::<$mixin>::default());
            let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
            let told = "sorry: request could not be started: no room at the inn";
            assert_eq!(read_text(&mut connect(server.server_address())), told);
            assert_eq!(read_text(&mut connect(server.server_address())), "hello");
            stop(server);
        };
    }
    check!(Synchronous);
    check!(Threading);
}

/// A50: an error of the system's in a handler is no different from others, even one of the
/// kinds that `accept` would overlook.
#[test]
fn errors_of_the_handlers_own_io_are_ordinary_errors() {
    let _alone = alone();
    use io::ErrorKind::{BrokenPipe, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    for kind in [BrokenPipe, ConnectionReset, Interrupted, TimedOut, WouldBlock] {
        let noting = Noting::default();
        let handle =
            move |_: &mut StreamRequest<'_, Noting>| -> Result { Err(io::Error::from(kind))? };
        let builder = TcpServer::builder(handler_fn(handle)).server(noting.clone());
        let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        let _client = connect(server.server_address());
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(noting.trace.texts(), [format!("error: {}", io::Error::from(kind))]);
    }
}

/// Keeps what `handle_error` was told, as text.
struct Looking(Trace);

impl<T: Transport> BaseServer<T> for Looking {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        let source = error.source().map(ToString::to_string);
        let is_parse =
            error.failure().error().is_some_and(|error| error.is::<std::num::ParseIntError>());
        self.0.note(format!("{error} / {error:?} / {source:?} / {is_parse}"));
        assert!(matches!(error.failure(), Failure::Handler(_)));
    }
}

/// A49, A50: the error itself is there, of its own type, and not just a text.
#[test]
fn handle_error_gets_the_error_that_the_handler_returned() {
    let _alone = alone();
    fn parses(request: &mut StreamRequest<'_, Looking>) -> Result {
        let line = request.rfile.lines().next().transpose()?.unwrap_or_default();
        line.parse::<u8>()?;
        Ok(())
    }
    let builder = TcpServer::builder(handler_fn(parses)).server(Looking(Trace::new()));
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let address = server.server_address().clone();
    within_deadline(move || connect(&address).exchange("12x\n").unwrap());
    assert_eq!(
        server.server().0.texts(),
        ["invalid digit found in string / Failed { failure: Handler(ParseIntError { kind: \
          InvalidDigit }), context: None } / None / true"]
    );
    stop(server);
}
