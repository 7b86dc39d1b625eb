//! Servers that are closed while they take requests.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use socketserver::mixin::{Forking, Synchronous, Threading};
use socketserver::transport::{Kind, ServerBind, Tcp, Tombstone, Transport, Udp, UnixStream};
use socketserver::{Address, Builder, Server, TcpServer, handler_fn};
use testkit::{DEADLINE, Gate, Trace};

use crate::common::{
    CoroutineEpoll, CoroutineIoUring, Hooks, Mix, Place, Script, Wire, bound, serve,
};

/// A transport that is held up when it has taken a request and not yet handed it on.
struct Slow<T> {
    inner: T,
    trace: Arc<Trace>,
    gate: Arc<Gate>,
}

impl<T: Wire> ServerBind<&Place> for Slow<T> {
    fn server_bind(&self, place: &Place) -> io::Result<T::Socket> {
        self.inner.server_bind(place)
    }
}

impl<T: Wire> Transport for Slow<T> {
    type Kind = T::Kind;
    type Socket = T::Socket;
    type Request = T::Request;

    fn server_activate(&self, socket: &T::Socket) -> io::Result<()> {
        self.inner.server_activate(socket)
    }

    fn server_address(&self, socket: &T::Socket) -> io::Result<Address> {
        self.inner.server_address(socket)
    }

    fn get_request(&self, socket: &T::Socket) -> io::Result<(Arc<T::Request>, Address)> {
        let request = self.inner.get_request(socket)?;
        self.trace.note("taken");
        self.gate.pass();
        Ok(request)
    }

    fn connection(&self, request: &Arc<T::Request>) -> Arc<<T::Kind as Kind>::Request> {
        self.inner.connection(request)
    }

    fn shutdown_request(&self, request: &T::Request) {
        self.inner.shutdown_request(request);
    }

    fn server_close(&self, socket: &T::Socket, tombstone: &Tombstone) -> io::Result<()> {
        self.inner.server_close(socket, tombstone)
    }

    fn after_fork_in_child(&self, socket: &T::Socket, tombstone: &Tombstone) {
        self.inner.after_fork_in_child(socket, tombstone);
    }
}

/// B44: a request that a loop has just taken is waited for, although nobody has seen it yet.
fn a_request_at_hand_is_waited_for<M>()
where
    M: Mix<Slow<Tcp>>,
{
    let _alone = testkit::alone();
    let (trace, gate) = (Arc::new(Trace::new()), Arc::new(Gate::new()));
    let slow = |inner| Slow { inner, trace: Arc::clone(&trace), gate: Arc::clone(&gate) };
    let hooks = Hooks { trace: Arc::clone(&trace), ..Hooks::default() };
    let builder: Builder<Slow<Tcp>, M, Script, Hooks> =
        Server::<Tcp, M, Script>::builder(Script::default)
            .transport(slow)
            .mixin(M::mixin())
            .server(hooks);
    let place = Place::new();
    let server = builder.bind(&place).unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut client = Tcp::connect(server.server_address()).unwrap();
        client.send("echo in time").unwrap();
        trace.wait_for("taken");
        let closing = scope.spawn(|| {
            let report = server.drain(Some(DEADLINE));
            trace.note("drained");
            report
        });
        trace.wait_for("server_close");
        assert!(!closing.is_finished());
        gate.open();
        assert_eq!(client.reply().unwrap(), "in time");
        assert!(closing.join().unwrap().is_complete());
        serving.join().unwrap().unwrap();
    });
    let texts = trace.texts();
    let at = |text: &str| texts.iter().position(|it| it == text).unwrap();
    assert!(at("finish") < at("drained"), "{texts:?}");
}

/// B44.
#[test]
fn a_request_that_is_being_taken_is_waited_for_by_a_synchronous_server() {
    a_request_at_hand_is_waited_for::<Synchronous>();
}

/// B44.
#[test]
fn a_request_that_is_being_taken_is_waited_for_by_a_threading_server() {
    a_request_at_hand_is_waited_for::<Threading>();
}

/// B44.
#[test]
fn a_request_that_is_being_taken_is_waited_for_by_a_coroutine_server() {
    a_request_at_hand_is_waited_for::<CoroutineEpoll>();
    a_request_at_hand_is_waited_for::<CoroutineIoUring>();
}

/// B44.
#[test]
fn a_request_that_is_being_taken_is_waited_for_by_a_forking_server() {
    a_request_at_hand_is_waited_for::<Forking>();
}

/// B44: whenever the close falls, a client is served or turned away, and nothing is left.
fn a_close_falls_anywhere<T: Wire, M: Mix<T>>() {
    let _alone = testkit::alone();
    for round in 0..20_u32 {
        let server = serve::<T, M>();
        let address = server.server_address().clone();
        thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| T::connect(&address)?.ask("echo whole answer")))
                .collect();
            for _ in 0..round * 20 {
                thread::yield_now();
            }
            assert!(server.server_close(Some(DEADLINE)), "none had to be cut");
            for client in clients {
                // An answer, whole or none, or an error of a client that was never taken.
                if let Ok(answer) = client.join().unwrap() {
                    assert!(["whole answer", ""].contains(&answer.as_str()), "{answer:?}");
                }
            }
        });
        let trace = &server.server().trace;
        assert_eq!(trace.count("setup"), trace.count("finish"), "all that began have ended");
        server.stop();
    }
}

/// B44.
#[test]
fn a_close_may_fall_anywhere_in_a_tcp_servers_life() {
    a_close_falls_anywhere::<Tcp, Threading>();
    a_close_falls_anywhere::<Tcp, Synchronous>();
}

/// B44.
#[test]
fn a_close_may_fall_anywhere_in_a_coroutine_servers_life() {
    a_close_falls_anywhere::<Tcp, CoroutineEpoll>();
    a_close_falls_anywhere::<Tcp, CoroutineIoUring>();
    a_close_falls_anywhere::<UnixStream, CoroutineEpoll>();
    a_close_falls_anywhere::<UnixStream, CoroutineIoUring>();
}

/// B44.
#[test]
fn a_close_may_fall_anywhere_in_a_forking_servers_life() {
    a_close_falls_anywhere::<UnixStream, Forking>();
}

/// A18, B4, B17: its address is free when a server has been closed, even though a loop waited for
/// a client just then.
#[test]
fn an_address_is_free_when_its_server_has_been_closed() {
    its_address_is_free::<Synchronous>();
    its_address_is_free::<CoroutineEpoll>();
    its_address_is_free::<CoroutineIoUring>();
}

fn its_address_is_free<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    for _ in 0..20 {
        let server = bound::<Tcp, M>(|builder| builder);
        let address = server.server_address().as_inet().unwrap();
        let served = server.while_serving(|| {
            assert_eq!(server.send("echo up").reply().unwrap(), "up");
            assert!(server.server_close(None));
            let again = TcpServer::bind(address, handler_fn(|_| Ok(()))).unwrap();
            assert_eq!(again.server_address().as_inet(), Some(address));
        });
        served.unwrap();
        server.close();
    }
}

/// A18: all who close at the same time wait, however long, and all are told the same.
#[test]
fn several_close_a_server_together() {
    several_close::<Threading>();
    several_close::<CoroutineEpoll>();
    several_close::<CoroutineIoUring>();
}

fn several_close<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    for _ in 0..10 {
        let server = serve::<Tcp, M>();
        let mut client = server.hold();
        thread::scope(|scope| {
            let closing: Vec<_> =
                (0..4).map(|_| scope.spawn(|| server.server_close(None))).collect();
            server.server().trace.wait_for("server_close");
            server.server().gate.open();
            assert_eq!(client.reply().unwrap(), "released");
            for closing in closing {
                assert!(closing.join().unwrap());
            }
        });
        assert_eq!(server.server().trace.count("server_close"), 1);
        server.stop();
    }
}

/// B4, B6: several loops end when the server is closed.
#[test]
fn a_close_ends_all_loops() {
    all_loops_end::<Threading>();
    all_loops_end::<CoroutineEpoll>();
    all_loops_end::<CoroutineIoUring>();
}

fn all_loops_end<M: Mix<Udp>>() {
    let _alone = testkit::alone();
    let server = bound::<Udp, M>(|builder| builder);
    thread::scope(|scope| {
        let loops: Vec<_> = (0..3).map(|_| scope.spawn(|| server.serve_forever())).collect();
        assert_eq!(server.send("echo up").reply().unwrap(), "up");
        assert!(server.server_close(Some(DEADLINE)));
        for serving in loops {
            // It may not have begun yet; then it is told that it is too late.
            let ended = serving.join().unwrap();
            assert!(ended.as_ref().map_err(io::Error::kind) != Err(io::ErrorKind::Other));
        }
    });
    assert!(server.fileno().as_fd().try_clone_to_owned().is_ok(), "the number is kept");
    server.close();
}
