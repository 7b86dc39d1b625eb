//! What there is: the names, how they are put together, and what they cost before they are used.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use socketserver::mixin::{Coroutine, Forking, Synchronous, Threading};
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{
    BaseServer, CoroutineTcpServer, CoroutineUdpServer, CoroutineUnixDatagramServer,
    CoroutineUnixStreamServer, ForkingTcpServer, ForkingUdpServer, ForkingUnixDatagramServer,
    ForkingUnixStreamServer, Outcome, Server, StreamRequest, TcpServer, ThreadingTcpServer,
    ThreadingUdpServer, ThreadingUnixDatagramServer, ThreadingUnixStreamServer, UdpServer,
    UnixDatagramServer, UnixStreamServer, handler_fn,
};
use testkit::{DEADLINE, alone, descriptors, eventually, sleeps_for_ever};

/// The handler's and the state's types, which no name of a server says anything about.
struct H;
struct S;

trait Parts {
    type Of;
}

impl<T: socketserver::transport::Transport, M, H, S> Parts for Server<T, M, H, S> {
    type Of = (T, M, H, S);
}

/// Compiles if the server `A` is made of these parts.
fn is<A: Parts<Of = (T, M, H, S)>, T, M>() {}

/// A1, A2: four transports by four mix-ins, and each name says which.
#[test]
fn a_servers_name_says_its_transport_and_its_mixin() {
    is::<TcpServer<H, S>, Tcp, Synchronous>();
    is::<UdpServer<H, S>, Udp, Synchronous>();
    is::<UnixStreamServer<H, S>, UnixStream, Synchronous>();
    is::<UnixDatagramServer<H, S>, UnixDatagram, Synchronous>();
    is::<ThreadingTcpServer<H, S>, Tcp, Threading>();
    is::<ThreadingUdpServer<H, S>, Udp, Threading>();
    is::<ThreadingUnixStreamServer<H, S>, UnixStream, Threading>();
    is::<ThreadingUnixDatagramServer<H, S>, UnixDatagram, Threading>();
    is::<ForkingTcpServer<H, S>, Tcp, Forking>();
    is::<ForkingUdpServer<H, S>, Udp, Forking>();
    is::<ForkingUnixStreamServer<H, S>, UnixStream, Forking>();
    is::<ForkingUnixDatagramServer<H, S>, UnixDatagram, Forking>();
    is::<CoroutineTcpServer<H, S>, Tcp, Coroutine>();
    is::<CoroutineUdpServer<H, S>, Udp, Coroutine>();
    is::<CoroutineUnixStreamServer<H, S>, UnixStream, Coroutine>();
    is::<CoroutineUnixDatagramServer<H, S>, UnixDatagram, Coroutine>();
}

/// A7: a Unix server has the settings of the others, with the same values.
#[test]
fn a_unix_server_differs_by_its_address_alone() {
    let (tcp, unix) = (Tcp::default(), UnixStream::default());
    assert_eq!(unix.request_queue_size, tcp.request_queue_size);
    assert_eq!(unix.linger, tcp.linger);
    let (udp, unix) = (Udp::default(), UnixDatagram::default());
    assert_eq!(unix.max_packet_size, udp.max_packet_size);
    assert_eq!(unix.send_timeout, udp.send_timeout);
}

fn nothing<S>(_: &mut StreamRequest<'_, S>) -> socketserver::Result {
    Ok(())
}

struct Hooks;

impl BaseServer for Hooks {}

/// A12: there is no socket, no thread and no descriptor before `bind`.
#[test]
fn a_builder_takes_nothing_of_the_system() {
    let _alone = alone();
    let before = descriptors();
    let builder = ThreadingTcpServer::builder(handler_fn(nothing::<Hooks>))
        .max_threads(4)
        .timeout(DEADLINE)
        .server(Hooks);
    assert_eq!(descriptors(), before);
    assert!(testkit::threads().is_empty());
    drop(builder);
}

/// A3: waiting takes no descriptor that the server did not have before.
#[test]
fn a_loop_waits_without_a_descriptor_of_its_own() {
    let _alone = alone();
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(nothing::<()>)).unwrap();
    let before = descriptors();
    let server = server.spawn().unwrap();
    eventually("the loop waits", || sleeps_for_ever("socketserver"));
    assert_eq!(descriptors(), before);
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}

/// A36: the server's own timeout alone counts, whatever the socket would say.
#[test]
fn a_timeout_of_the_socket_itself_does_not_end_handle_request() {
    let _alone = alone();
    let timeout = Duration::from_millis(60);
    let server = TcpServer::builder(handler_fn(nothing::<()>))
        .before_bind(|socket| {
            let soon = Some(Duration::from_millis(1));
            Ok(set_socket_timeout(socket, Timeout::Recv, soon)?)
        })
        .timeout(timeout)
        .bind("127.0.0.1:0")
        .unwrap();
    let begun = Instant::now();
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
    assert!(begun.elapsed() >= timeout);
}
