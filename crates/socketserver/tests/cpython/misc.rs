//! What is left: the names, a refused request, and the threads that are kept.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::mixin::Synchronous;
use socketserver::transport::{Connection, ServerBind, Stream, Tcp, Transport};
use socketserver::{
    Address, BaseServer, Outcome, Server, StreamRequest, ThreadingTcpServer, handler_fn,
};
use testkit::{Connect, DEADLINE, alone};

/// Original: the names that the module exports are those that it defines. Here the servers are
/// aliases, so those that there are must be the twelve; that the rest of Python's names can be
/// imported, this file shows by being compiled. A1.
#[test]
fn test_all() {
    #[allow(unused_imports, reason = "that they can be imported is what is tested")]
    use socketserver::mixin::{Forking, Threading};
    #[allow(unused_imports, reason = "that they can be imported is what is tested")]
    use socketserver::{
        BaseRequestHandler, BaseServer, DatagramRequestHandler, StreamRequestHandler,
    };

    let defined: BTreeSet<_> = include_str!("../../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub type "))
        .filter_map(|line| line.split('<').next())
        .collect();
    let mut expected = BTreeSet::new();
    for transport in ["Tcp", "Udp", "UnixStream", "UnixDatagram"] {
        for mixin in ["", "Threading", "Forking", "Coroutine"] {
            expected.insert(format!("{mixin}{transport}Server"));
        }
    }
    // What Python has no word for.
    for transport in ["Udp", "UnixDatagram"] {
        for mixin in ["Threading", "Coroutine"] {
            expected.insert(format!("{mixin}{transport}SessionServer"));
        }
    }
    let expected: BTreeSet<_> = expected.iter().map(String::as_str).collect();
    assert_eq!(defined, expected);
}

/// TCP whose `shutdown_request` is counted.
#[derive(Default)]
struct Counted {
    tcp: Tcp,
    shut_down: Arc<AtomicUsize>,
}

impl Transport for Counted {
    type Kind = Stream;
    type Socket = <Tcp as Transport>::Socket;
    type Request = <Tcp as Transport>::Request;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        self.tcp.server_activate(socket)
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        self.tcp.server_address(socket)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Self::Request>, Address)> {
        self.tcp.get_request(socket)
    }

    fn connection(&self, request: &Arc<Self::Request>) -> Arc<dyn Connection> {
        self.tcp.connection(request)
    }

    fn shutdown_request(&self, request: &Self::Request) {
        self.shut_down.fetch_add(1, Ordering::Relaxed);
        self.tcp.shutdown_request(request);
    }
}

impl<A> ServerBind<A> for Counted
where
    Tcp: ServerBind<A>,
{
    fn server_bind(&self, address: A) -> io::Result<Self::Socket> {
        self.tcp.server_bind(address)
    }
}

struct Refusing;

impl<T: Transport> BaseServer<T> for Refusing {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        false
    }
}

/// Original: `shutdown_request` is called exactly once for a request that is refused. A44.
#[test]
fn test_shutdown_request_called_if_verify_request_false() {
    let _alone = alone();
    let shut_down = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&shut_down);
    let handle = |_: &mut StreamRequest<'_, Refusing>| panic!("no handler sees it");
    let server = Server::<Counted, Synchronous, _>::builder(handler_fn(handle))
        .transport(|counted| Counted { shut_down: counter, ..counted })
        .server(Refusing)
        .timeout(DEADLINE)
        .bind("127.0.0.1:0")
        .unwrap();
    drop(Connect::Tcp(server.server_address().as_inet().unwrap()).connect().unwrap());
    assert_eq!(server.handle_request().unwrap(), Outcome::Refused);
    assert!(server.server_close(Some(DEADLINE)));
    assert_eq!(shut_down.load(Ordering::Relaxed), 1);
}

/// Original: after ten requests, fewer than ten threads are kept. A66, B12.
#[test]
fn test_threads_reaped() {
    let _alone = alone();
    let nothing = |_: &mut StreamRequest<'_>| Ok(());
    let server = ThreadingTcpServer::builder(handler_fn(nothing)).timeout(DEADLINE);
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for _ in 0..10 {
        let mut client = address.connect().unwrap();
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(client.read_to_end().unwrap(), b"", "the request is over");
    }
    assert!(server.mixin().threads() < 10, "{} threads", server.mixin().threads());
    assert!(server.server_close(Some(DEADLINE)));
}
