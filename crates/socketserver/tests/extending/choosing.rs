//! Handlers that are chosen, made and wrapped while the server runs.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver::transport::{Connection, Datagram, Stream, Tcp, Transport, Udp};
use socketserver::{
    Address, BaseServer, DatagramRequest, DatagramRequestHandler, Failed, FinishRequest, Outcome,
    RequestError, Result, StreamRequest, StreamRequestHandler, TcpServer, ThreadingTcpServer,
    ThreadingUdpServer, print_error,
};
use testkit::{Connect, DEADLINE, datagram_client};

/// Answers with a word, when it has heard all.
struct Word(&'static str);

impl<S> StreamRequestHandler<S> for Word {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        io::copy(&mut request.rfile, &mut io::sink())?;
        Ok(request.wfile.write_all(self.0.as_bytes())?)
    }
}

/// Answers with the number of bytes that came.
struct Length;

impl<S> StreamRequestHandler<S> for Length {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        let len = io::copy(&mut request.rfile, &mut io::sink())?;
        Ok(write!(request.wfile, "{len}")?)
    }
}

/// A51: the handler is an object, and another each time.
#[test]
fn a_handler_object_is_chosen_at_run_time() {
    let _alone = testkit::alone();
    let count = AtomicUsize::new(0);
    let choose = move || -> Box<dyn StreamRequestHandler> {
        match count.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Box::new(Word("even")),
            _ => Box::new(Length),
        }
    };
    let server = ThreadingTcpServer::bind("127.0.0.1:0", choose).unwrap().spawn().unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for reply in [&b"even"[..], b"3", b"even", b"3"] {
        assert_eq!(address.connect().unwrap().exchange("abc").unwrap(), reply);
    }
    server.stop(Some(DEADLINE)).unwrap();
}

/// A51: and one of packets.
#[test]
fn a_datagram_handler_object_is_chosen_at_run_time() {
    let _alone = testkit::alone();
    struct Upper;
    impl DatagramRequestHandler for Upper {
        fn handle(&mut self, request: &mut DatagramRequest<'_>) -> Result {
            request.wfile = request.packet.to_ascii_uppercase();
            Ok(())
        }
    }
    let choose = || Box::new(Upper) as Box<dyn DatagramRequestHandler>;
    let server = ThreadingUdpServer::bind("127.0.0.1:0", choose).unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"shout").unwrap();
    let mut reply = [0; 10];
    let len = client.recv(&mut reply).unwrap();
    assert_eq!(&reply[..len], b"SHOUT");
    server.stop(Some(DEADLINE)).unwrap();
}

/// A server whose `finish_request` does more than the default.
#[derive(Default)]
struct Finishing {
    received: Arc<AtomicUsize>,
    requests: AtomicUsize,
    errors: AtomicUsize,
}

/// A connection that counts what comes.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Connection>,
    received: Arc<AtomicUsize>,
}

impl AsFd for Counting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Connection for Counting {
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.recv(buf)?;
        self.received.fetch_add(len, Ordering::SeqCst);
        Ok(len)
    }

    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.send(buf)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_timeout(timeout)
    }
}

impl BaseServer<Tcp> for Finishing {
    /// Counts what comes over each connection, and has every second one served by another handler.
    fn finish_request(&self, request: FinishRequest<'_, Stream, Self>) -> Result<(), Failed> {
        let inner = Arc::clone(request.request());
        let received = Arc::clone(&self.received);
        let request = request.with_request(Arc::new(Counting { inner, received }));
        match self.requests.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => request.finish(),
            _ => request.finish_with(&mut Word("another handler")),
        }
    }

    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        self.errors.fetch_add(1, Ordering::SeqCst);
        // The default, which prints nothing of a client that went away.
        print_error(error, client_address);
    }
}

/// A42, A93: `finish_request` wraps the connection, chooses the handler, and calls the default.
#[test]
fn finish_request_wraps_the_connection_and_chooses_the_handler() {
    let _alone = testkit::alone();
    let server = ThreadingTcpServer::builder(|| Length)
        .server(Finishing::default())
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for reply in [&b"5"[..], b"another handler", b"5"] {
        assert_eq!(address.connect().unwrap().exchange("12345").unwrap(), reply);
    }
    assert_eq!(server.server().received.load(Ordering::SeqCst), 15);
    assert_eq!(server.server().errors.load(Ordering::SeqCst), 0);
    server.stop(Some(DEADLINE)).unwrap();
}

/// A93: and for packets.
#[test]
fn finish_request_chooses_the_handler_of_a_packet() {
    let _alone = testkit::alone();
    struct Sorting;
    struct Says(&'static [u8]);
    impl<S> DatagramRequestHandler<S> for Says {
        fn handle(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
            request.wfile = self.0.to_vec();
            Ok(())
        }

        // The default, called by name.
        fn finish(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
            request.finish()
        }
    }
    impl BaseServer<Udp> for Sorting {
        fn finish_request(&self, request: FinishRequest<'_, Datagram, Self>) -> Result<(), Failed> {
            if request.request().data().is_empty() {
                return request.finish_with(&mut Says(b"say something"));
            }
            request.finish()
        }
    }
    let server = ThreadingUdpServer::builder(|| Says(b"hello"))
        .server(Sorting)
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    for (asked, answer) in [(&b""[..], &b"say something"[..]), (b"x", b"hello")] {
        client.send(asked).unwrap();
        let mut reply = [0; 20];
        let len = client.recv(&mut reply).unwrap();
        assert_eq!(&reply[..len], answer);
    }
    server.stop(Some(DEADLINE)).unwrap();
}

/// A state of hooks for any transport, one value for two servers.
#[derive(Default)]
struct Shared(AtomicUsize);

impl<T: Transport> BaseServer<T> for Shared {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// A81, A93: two servers of different kinds share one state.
#[test]
fn two_servers_share_their_state() {
    let _alone = testkit::alone();
    struct Count;
    impl StreamRequestHandler<Shared> for Count {
        fn handle(&mut self, request: &mut StreamRequest<'_, Shared>) -> Result {
            Ok(write!(request.wfile, "{}", request.server.0.load(Ordering::SeqCst))?)
        }
    }
    impl DatagramRequestHandler<Shared> for Count {
        fn handle(&mut self, request: &mut DatagramRequest<'_, Shared>) -> Result {
            Ok(write!(request.wfile, "{}", request.server.0.load(Ordering::SeqCst))?)
        }
    }
    let shared = Arc::new(Shared::default());
    let tcp = ThreadingTcpServer::builder(|| Count).shared_server(Arc::clone(&shared));
    let tcp = tcp.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let udp = ThreadingUdpServer::builder(|| Count).shared_server(Arc::clone(&shared));
    let udp = udp.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let address = Connect::Tcp(tcp.server_address().as_inet().unwrap());
    assert_eq!(address.connect().unwrap().read_to_end().unwrap(), b"1");
    let client = datagram_client(udp.server_address().as_inet().unwrap()).unwrap();
    client.send(b"").unwrap();
    let mut reply = [0; 1];
    client.recv(&mut reply).unwrap();
    assert_eq!(&reply, b"2");
    tcp.stop(Some(DEADLINE)).unwrap();
    udp.stop(Some(DEADLINE)).unwrap();
}

/// A81: what never leaves its thread need be neither `Send` nor `Sync`.
#[test]
fn a_synchronous_server_takes_a_state_that_is_bound_to_its_thread() {
    let _alone = testkit::alone();
    struct Local(Rc<Cell<u32>>);
    impl BaseServer for Local {}
    struct Increment(Rc<()>);
    impl StreamRequestHandler<Local> for Increment {
        fn handle(&mut self, request: &mut StreamRequest<'_, Local>) -> Result {
            let count = &request.server.0;
            count.set(count.get() + 1);
            assert_eq!(Rc::strong_count(&self.0), 1);
            Ok(())
        }
    }
    let count = Rc::new(Cell::new(0));
    let server = TcpServer::builder(|| Increment(Rc::new(())))
        .server(Local(Rc::clone(&count)))
        .bind("127.0.0.1:0")
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut client = address.connect().unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.read_to_end().unwrap(), b"");
    assert_eq!(count.get(), 1);
}
