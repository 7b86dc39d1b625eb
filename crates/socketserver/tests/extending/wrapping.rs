//! Transports that wrap another, to override what it does with the socket.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver::mixin::Threading;
use socketserver::transport::{Connection, ServerBind, Stream, Tcp, Tombstone, Transport};
use socketserver::{
    Address, BaseServer, Builder, Failure, HandlerFn, RequestError, Result, StreamRequest,
    TcpServer,
};
use testkit::{Connect, DEADLINE, Trace};

/// A service that is known by a name and not by a port; overrides everything that there is.
#[derive(Debug)]
struct Named {
    tcp: Tcp,
    trace: Arc<Trace>,
    taken: AtomicUsize,
}

impl ServerBind<&str> for Named {
    fn server_bind(&self, name: &str) -> io::Result<TcpListener> {
        self.trace.note(format!("server_bind {name}"));
        let listener = self.tcp.server_bind("127.0.0.1:0")?;
        listener.set_ttl(9)?;
        Ok(listener)
    }
}

impl Transport for Named {
    type Kind = Stream;
    type Socket = TcpListener;
    type Request = TcpStream;

    fn server_activate(&self, socket: &TcpListener) -> io::Result<()> {
        self.trace.note("server_activate");
        self.tcp.server_activate(socket)
    }

    fn server_address(&self, socket: &TcpListener) -> io::Result<Address> {
        self.tcp.server_address(socket)
    }

    fn get_request(&self, socket: &TcpListener) -> io::Result<(Arc<TcpStream>, Address)> {
        let (request, _) = self.tcp.get_request(socket)?;
        let number = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        request.set_read_timeout(Some(DEADLINE))?;
        Ok((request, Address::Other(format!("caller {number}"))))
    }

    fn connection(&self, request: &Arc<TcpStream>) -> Arc<dyn Connection> {
        self.tcp.connection(request)
    }

    /// Takes a word in advance: the caller's name. It waits, so it is not for `get_request`.
    fn open(
        &self,
        request: &Arc<TcpStream>,
        client_address: &mut Address,
    ) -> Result<Arc<dyn Connection>> {
        let mut name = [0; 4];
        io::Read::read_exact(&mut &**request, &mut name)?;
        if &name == b"evil" {
            return Err("it said so itself".into());
        }
        let name = String::from_utf8_lossy(&name);
        *client_address = Address::Other(format!("{client_address}, {name}"));
        Ok(Arc::new(Shouting(Arc::clone(request))))
    }

    fn shutdown_request(&self, request: &TcpStream) {
        let _ = (&mut &*request).write_all(b" -- end of call");
        self.trace.note("shutdown_request");
        self.tcp.shutdown_request(request);
    }

    fn close_request(&self, request: Arc<TcpStream>) {
        self.trace.note("close_request");
        self.tcp.close_request(request);
    }

    fn server_close(&self, socket: &TcpListener, tombstone: &Tombstone) -> io::Result<()> {
        self.trace.note("server_close");
        self.tcp.server_close(socket, tombstone)
    }
}

/// A connection that sends in capitals.
#[derive(Debug)]
struct Shouting(Arc<TcpStream>);

impl AsFd for Shouting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Connection for Shouting {
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf)
    }

    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(&buf.to_ascii_uppercase())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Connection::shutdown(&*self.0, how)
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_timeout(timeout)
    }
}

/// Says who called.
fn answer(request: &mut StreamRequest<'_, Switchboard>) -> Result {
    Ok(write!(request.wfile, "hello {}", request.client_address)?)
}

/// Notes who could not be connected.
struct Switchboard(Arc<Trace>);

impl BaseServer<Named> for Switchboard {
    fn verify_request(&self, request: &TcpStream, client_address: &Address) -> bool {
        assert!(request.peer_addr().is_ok());
        self.0.note(format!("verify_request {client_address}"));
        true
    }

    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        assert!(matches!(error.failure(), Failure::Open(_)));
        self.0.note(format!("{client_address}: {error}"));
    }
}

/// A16, A43, A52, A93: bind, activate, take, open, shut down, close, each with the default called.
#[test]
fn a_transport_may_wrap_another() {
    let _alone = testkit::alone();
    let trace = Arc::new(Trace::new());
    let notes = Arc::clone(&trace);
    type Answer = HandlerFn<fn(&mut StreamRequest<'_, Switchboard>) -> Result>;
    let builder: Builder<Named, Threading, Answer, Switchboard> = TcpServer::builder(|| {
        HandlerFn::new(answer as fn(&mut StreamRequest<'_, Switchboard>) -> Result)
    })
    .transport(|tcp| Named { tcp, trace: notes, taken: AtomicUsize::new(0) })
    .mixin(Threading::default())
    .server(Switchboard(Arc::clone(&trace)));
    let server = builder.bind("the exchange").unwrap();
    assert_eq!(server.socket().ttl().unwrap(), 9);
    let address: SocketAddr = server.server_address().as_inet().unwrap();
    let server = server.spawn().unwrap();
    let caller = Connect::Tcp(address).connect().unwrap();
    assert_eq!(caller.exchange("anna").unwrap(), b"HELLO CALLER 1, ANNA -- end of call");
    let caller = Connect::Tcp(address).connect().unwrap();
    assert_eq!(caller.exchange("evil").unwrap(), b" -- end of call");
    testkit::eventually("the end of both", || server.active_requests() == 0);
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
    assert_eq!(
        trace.texts(),
        [
            "server_bind the exchange",
            "server_activate",
            "verify_request caller 1",
            "shutdown_request",
            "close_request",
            "verify_request caller 2",
            "caller 2: connection could not be opened: it said so itself",
            "shutdown_request",
            "close_request",
            "server_close",
        ]
    );
}

/// A14: what an overridden `server_activate` refuses, ends the construction.
#[test]
fn an_overridden_activation_may_fail() {
    let _alone = testkit::alone();
    struct Never(Tcp);
    impl ServerBind<&str> for Never {
        fn server_bind(&self, address: &str) -> io::Result<TcpListener> {
            self.0.server_bind(address)
        }
    }
    impl Transport for Never {
        type Kind = Stream;
        type Socket = TcpListener;
        type Request = TcpStream;

        fn server_activate(&self, _: &TcpListener) -> io::Result<()> {
            Err(io::Error::other("not before noon"))
        }

        fn server_address(&self, socket: &TcpListener) -> io::Result<Address> {
            self.0.server_address(socket)
        }

        fn get_request(&self, socket: &TcpListener) -> io::Result<(Arc<TcpStream>, Address)> {
            self.0.get_request(socket)
        }

        fn connection(&self, request: &Arc<TcpStream>) -> Arc<dyn Connection> {
            self.0.connection(request)
        }
    }
    let hello: fn(&mut StreamRequest<'_>) -> Result = |_| Ok(());
    let made =
        TcpServer::builder(move || HandlerFn::new(hello)).transport(Never).bind("127.0.0.1:0");
    assert_eq!(made.map(drop).unwrap_err().to_string(), "not before noon");
}
