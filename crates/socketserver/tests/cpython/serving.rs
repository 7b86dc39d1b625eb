//! Three clients, one after the other, of each of the twelve servers.

use std::io::{BufRead, Write};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

use socketserver::handler::RequestHandler;
use socketserver::mixin::{Forking, MixIn, Synchronous, Threading};
use socketserver::transport::{ServerBind, Tcp, Transport, Udp, UnixDatagram, UnixStream};
use socketserver::{
    Address, BaseServer, DatagramRequest, DatagramRequestHandler, Pending, RequestError, Result,
    Server, StreamRequest, StreamRequestHandler,
};
use testkit::{
    Connect, Trace, alone, datagram_client, eventually, socket_path, unix_datagram_client,
    within_deadline,
};

const HELLO: &str = "hello world\n";

/// Sends back one line.
struct Echo;

impl StreamRequestHandler<Rig> for Echo {
    fn handle(&mut self, request: &mut StreamRequest<'_, Rig>) -> Result {
        let mut line = Vec::new();
        request.rfile.read_until(b'\n', &mut line)?;
        Ok(request.wfile.write_all(&line)?)
    }
}

impl DatagramRequestHandler<Rig> for Echo {
    fn handle(&mut self, request: &mut DatagramRequest<'_, Rig>) -> Result {
        let mut line = Vec::new();
        request.rfile.read_until(b'\n', &mut line)?;
        Ok(request.wfile.write_all(&line)?)
    }
}

/// A server that notes the errors that it should not have.
struct Rig(Trace);

impl<T: Transport> BaseServer<T> for Rig {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.0.note(error.to_string());
    }
}

/// The address is the socket's; three clients are served while a thread runs the loop; then the
/// loop ends, and after the close the socket is none and no child is left.
fn run_server<T, M, A, Via>(
    address: A,
    mixin: M,
    exchange: impl Fn(&Address) -> io::Result<String> + Send + 'static,
    children: impl Fn(&M) -> Vec<u32>,
) where
    T: ServerBind<A> + Default + Send + Sync + 'static,
    T::Socket: Send + Sync,
    T::Request: Send + Sync,
    M: MixIn<Pending<T, Rig>> + Send + Sync + 'static,
    Echo: RequestHandler<T::Kind, Rig, Via>,
{
    let server = Server::<T, Synchronous, Echo>::builder(|| Echo)
        .mixin(mixin)
        .server(Rig(Trace::new()))
        .poll_interval(Duration::from_millis(10))
        .bind(address)
        .unwrap();
    let server = Arc::new(server);
    let of_socket = server.transport().server_address(server.socket()).unwrap();
    assert_eq!(*server.server_address(), of_socket);

    let serving = Arc::clone(&server);
    let serving = thread::spawn(move || serving.serve_forever());
    let address = server.server_address().clone();
    within_deadline(move || {
        for _ in 0..3 {
            assert_eq!(exchange(&address).unwrap(), HELLO);
        }
    });
    server.shutdown();
    within_deadline(move || serving.join().unwrap()).unwrap();
    assert!(server.server_close(None), "no request was cut");
    assert!(rustix::net::getsockname(server.fileno()).is_err(), "the socket is open");
    assert!(children(server.mixin()).is_empty());
    assert_eq!(server.server().0.texts(), [] as [&str; 0]);
}

fn none<M>(_: &M) -> Vec<u32> {
    Vec::new()
}

/// The loop runs on a thread of its own, and the thread of the test waits.
fn forking() -> Forking {
    let mut forking = Forking::default();
    forking.allow_threads = true;
    forking
}

/// A child of the test's own, which has exited with 72 before the server forks any.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        let child = Command::new("sh").args(["-c", "exit 72"]).spawn().unwrap();
        eventually("the exit of a child", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
        });
        Self(child)
    }

    /// It is still there to be waited for.
    fn was_left_alone(mut self) {
        assert_eq!(self.0.wait().unwrap().code(), Some(72));
    }
}

fn stream_examine(server: &Address) -> io::Result<String> {
    let server = match (server.as_inet(), server.as_path()) {
        (Some(address), _) => Connect::Tcp(address),
        (_, path) => Connect::Unix(path.unwrap().to_owned()),
    };
    let mut client = server.connect()?;
    client.send(HELLO)?;
    client.read_line()
}

fn dgram_examine(server: &Address) -> io::Result<String> {
    let mut buffer = [0; 100];
    let received = if let Some(address) = server.as_inet() {
        let client = datagram_client(address)?;
        client.send(HELLO.as_bytes())?;
        client.recv(&mut buffer)?
    } else {
        let (client, _path) = unix_datagram_client(server.as_path().unwrap())?;
        client.send(HELLO.as_bytes())?;
        client.recv(&mut buffer)?
    };
    Ok(String::from_utf8_lossy(&buffer[..received]).into_owned())
}

/// Original: three echo clients over TCP.
#[test]
fn test_tcp_server() {
    let _alone = alone();
    run_server::<Tcp, _, _, _>("127.0.0.1:0", Synchronous::default(), stream_examine, none);
}

/// Original: three echo clients over TCP, a thread for each.
#[test]
fn test_threading_tcp_server() {
    let _alone = alone();
    run_server::<Tcp, _, _, _>("127.0.0.1:0", Threading::default(), stream_examine, none);
}

/// Original: three echo clients over TCP, a process for each; `active_children` is empty at the
/// end, and a child of somebody else's can still be waited for. A74.
#[test]
fn test_forking_tcp_server() {
    let _alone = alone();
    let stranger = Stranger::new();
    let children = Forking::active_children;
    run_server::<Tcp, _, _, _>("127.0.0.1:0", forking(), stream_examine, children);
    stranger.was_left_alone();
}

/// Original: three echo clients over a Unix stream socket.
#[test]
fn test_unix_stream_server() {
    let _alone = alone();
    let path = socket_path();
    run_server::<UnixStream, _, _, _>(&*path, Synchronous::default(), stream_examine, none);
}

/// Original: three echo clients over a Unix stream socket, a thread for each.
#[test]
fn test_threading_unix_stream_server() {
    let _alone = alone();
    let path = socket_path();
    run_server::<UnixStream, _, _, _>(&*path, Threading::default(), stream_examine, none);
}

/// Original: three echo clients over a Unix stream socket, a process for each; somebody else's
/// child is left alone. A74.
#[test]
fn test_forking_unix_stream_server() {
    let _alone = alone();
    let path = socket_path();
    let stranger = Stranger::new();
    let children = Forking::active_children;
    run_server::<UnixStream, _, _, _>(&*path, forking(), stream_examine, children);
    stranger.was_left_alone();
}

/// Original: three echo clients over UDP, a datagram each.
#[test]
fn test_udp_server() {
    let _alone = alone();
    run_server::<Udp, _, _, _>("127.0.0.1:0", Synchronous::default(), dgram_examine, none);
}

/// Original: three echo clients over UDP, a thread for each.
#[test]
fn test_threading_udp_server() {
    let _alone = alone();
    run_server::<Udp, _, _, _>("127.0.0.1:0", Threading::default(), dgram_examine, none);
}

/// Original: three echo clients over UDP, a process for each; somebody else's child is left alone.
/// A74.
#[test]
fn test_forking_udp_server() {
    let _alone = alone();
    let stranger = Stranger::new();
    run_server::<Udp, _, _, _>("127.0.0.1:0", forking(), dgram_examine, Forking::active_children);
    stranger.was_left_alone();
}

/// Original: three echo clients over a Unix datagram socket, each bound to a path of its own.
#[test]
fn test_unix_datagram_server() {
    let _alone = alone();
    let path = socket_path();
    run_server::<UnixDatagram, _, _, _>(&*path, Synchronous::default(), dgram_examine, none);
}

/// Original: three echo clients over a Unix datagram socket, a thread for each.
#[test]
fn test_threading_unix_datagram_server() {
    let _alone = alone();
    let path = socket_path();
    run_server::<UnixDatagram, _, _, _>(&*path, Threading::default(), dgram_examine, none);
}

/// Original: three echo clients over a Unix datagram socket, a process for each. Here somebody
/// else's child too. A74.
#[test]
fn test_forking_unix_datagram_server() {
    let _alone = alone();
    let path = socket_path();
    let stranger = Stranger::new();
    let children = Forking::active_children;
    run_server::<UnixDatagram, _, _, _>(&*path, forking(), dgram_examine, children);
    stranger.was_left_alone();
}
