//! Overriding one method of a transport or of a mix-in leaves all others as they were.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::mixin::{self, AnyMixIn, Forking, MixIn, PendingRequest, Unprocessed};
use socketserver::observe::Event;
use socketserver::transport::{self, Tcp, Tombstone, Transport};
use socketserver::{StreamRequest, TcpServer, handler_fn};
use testkit::{Connect, alone};

/// Writes down what is called of the methods that it overrides.
struct Noted {
    inner: Tcp,
    calls: Mutex<Vec<&'static str>>,
}

impl Noted {
    fn note(&self, call: &'static str) {
        self.calls.lock().expect("no test panics while it notes").push(call);
    }
}

impl transport::Wrap for Noted {
    type Inner = Tcp;

    fn inner(&self) -> &Tcp {
        &self.inner
    }

    fn server_activate(&self, socket: &TcpListener) -> io::Result<()> {
        self.note("server_activate");
        self.inner.server_activate(socket)
    }

    fn shutdown_request(&self, request: &TcpStream) {
        self.note("shutdown_request");
        self.inner.shutdown_request(request);
    }

    fn close_request(&self, request: Arc<TcpStream>) {
        self.note("close_request");
        self.inner.close_request(request);
    }

    fn server_close(&self, socket: &TcpListener, tombstone: &Tombstone) -> io::Result<()> {
        self.note("server_close");
        self.inner.server_close(socket, tombstone)
    }
}

/// Counts the requests that it is given.
struct Counted {
    inner: AnyMixIn,
    requests: AtomicUsize,
}

impl mixin::Wrap for Counted {
    type Inner = AnyMixIn;

    fn inner(&self) -> &AnyMixIn {
        &self.inner
    }

    fn process_request<P>(&self, request: P) -> Result<(), Unprocessed<P>>
    where
        P: PendingRequest,
        AnyMixIn: MixIn<P>,
    {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.process_request(request)
    }
}

/// A93: the default of an overridden method can be called, and those that are not overridden are
/// the defaults: it listens, answers, protects the reply, gives up its threads and children.
#[test]
fn what_a_wrapper_does_not_override_is_what_it_wraps() {
    for name in ["synchronous", "threading", "forking", "coroutine"] {
        let _alone = alone();
        let mut inner: AnyMixIn = name.parse().unwrap();
        if let AnyMixIn::Forking(Forking { allow_threads, .. }) = &mut inner {
            *allow_threads = true;
        }
        let copy = |request: &mut StreamRequest<'_>| {
            io::copy(&mut request.rfile, &mut request.wfile)?;
            Ok(())
        };
        let server = TcpServer::builder(handler_fn(copy))
            .transport(|inner| Noted { inner, calls: Mutex::default() })
            .mixin(Counted { inner, requests: AtomicUsize::new(0) })
            .bind("127.0.0.1:0")
            .unwrap()
            .spawn()
            .unwrap();
        let address = Connect::Tcp(server.server_address().as_inet().unwrap());
        for _ in 0..3 {
            let reply = address.connect().unwrap().exchange("hello").unwrap();
            assert_eq!(reply, b"hello", "under {name}");
        }
        assert!(server.server_close(Some(Duration::from_secs(5))), "under {name}");

        assert_eq!(server.mixin().requests.load(Ordering::Relaxed), 3);
        let calls = server.transport().calls.lock().unwrap().clone();
        let count = |call| calls.iter().filter(|noted| **noted == call).count();
        let in_child = name == "forking";
        assert_eq!(count("server_activate"), 1);
        assert_eq!(count("shutdown_request"), if in_child { 0 } else { 3 });
        assert_eq!(count("close_request"), 3);
        assert_eq!(count("server_close"), 1);
        drop(server);
    }
}

/// Has no means to run anything.
struct Poor(mixin::Synchronous);

impl mixin::Wrap for Poor {
    type Inner = mixin::Synchronous;

    fn inner(&self) -> &mixin::Synchronous {
        &self.0
    }

    fn process_request<P>(&self, request: P) -> Result<(), Unprocessed<P>>
    where
        P: PendingRequest,
        mixin::Synchronous: MixIn<P>,
    {
        Err(Unprocessed { request, error: io::Error::other("nothing to run it with") })
    }
}

/// A69, A75: a request that cannot be started is told to the observer, and to the client.
#[test]
fn a_request_that_cannot_be_started_is_observed() {
    let _alone = alone();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let server = TcpServer::builder(handler_fn(|_: &mut StreamRequest<'_>| Ok(())))
        .mixin(Poor(mixin::Synchronous::default()))
        .observer(move |event: &Event<'_>| {
            if let Event::NotStarted { failed, .. } = event {
                telling.lock().expect("nobody panics with it").push(failed.failure.to_string());
            }
        })
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    assert_eq!(address.connect().unwrap().read_to_end().unwrap(), b"");
    server.stop(Some(testkit::DEADLINE)).unwrap();
    let told = told.lock().unwrap();
    assert_eq!(*told, ["request could not be started: nothing to run it with"]);
}
