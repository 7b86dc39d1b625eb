//! What no server is made of: the error says what is wrong, and nothing is left.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketserver::mixin::{AnyMixIn, Forking, UnknownMixIn};
use socketserver::{
    BaseServer, ForkingTcpServer, HandlerFn, StreamRequest, TcpServer, ThreadingTcpServer,
    ThreadingUnixStreamServer, UdpServer, handler_fn,
};

/// The error of making a server, which makes none.
fn error_of<S>(made: std::io::Result<S>) -> (ErrorKind, String) {
    match made {
        Ok(_) => panic!("a server was made"),
        Err(error) => (error.kind(), error.to_string()),
    }
}

/// A14: the error names the address.
#[test]
fn a_taken_port_is_named() {
    let _alone = testkit::alone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (kind, text) = error_of(TcpServer::bind(address, handler_fn(|_| Ok(()))));
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(text.contains(&format!("cannot bind to {address}: ")), "{text}");

    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let nothing = |_: &mut socketserver::DatagramRequest<'_>| Ok(());
    let (kind, text) = error_of(UdpServer::bind(address, move || HandlerFn::new(nothing)));
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(text.contains(&address.to_string()), "{text}");
}

/// A14: an address that is not this host's.
#[test]
fn an_address_of_another_host_is_named() {
    let _alone = testkit::alone();
    // From a block that is for documentation: no host has it.
    let (kind, text) = error_of(TcpServer::bind("192.0.2.1:0", handler_fn(|_| Ok(()))));
    assert_eq!(kind, ErrorKind::AddrNotAvailable);
    assert!(text.contains("192.0.2.1:0"), "{text}");
}

/// A14: what stands for no address at all.
#[test]
fn a_host_that_does_not_resolve_is_refused() {
    let _alone = testkit::alone();
    // A label of more than 63 bytes: nobody need be asked about it.
    let host = format!("{}.invalid:0", "x".repeat(64));
    let (_, text) = error_of(TcpServer::bind(host, handler_fn(|_| Ok(()))));
    assert!(text.contains("failed to lookup address"), "{text}");
    let (kind, _) = error_of(TcpServer::bind("no port", handler_fn(|_| Ok(()))));
    assert_eq!(kind, ErrorKind::InvalidInput);
    let none: [std::net::SocketAddr; 0] = [];
    let (kind, text) = error_of(TcpServer::bind(&none[..], handler_fn(|_| Ok(()))));
    assert_eq!((kind, text.as_str()), (ErrorKind::InvalidInput, "no address to bind to"));
}

/// A14: as many as CPython's own test tries.
#[test]
fn a_thousand_failures_leave_no_descriptor() {
    let _alone = testkit::alone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let before = testkit::descriptors();
    for _ in 0..1024 {
        error_of(TcpServer::bind(address, handler_fn(|_| Ok(()))));
    }
    assert_eq!(testkit::descriptors(), before);
}

/// A14, B37: the hook of a server that never was is not called, and cannot hide the error.
#[test]
fn a_failure_calls_no_hook_of_the_server_that_was_to_be() {
    let _alone = testkit::alone();
    struct Closed(Arc<AtomicBool>);
    impl BaseServer for Closed {
        fn server_close(&self) {
            self.0.store(true, Ordering::SeqCst);
            panic!("it hides the error");
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = Arc::default();
    let builder = TcpServer::builder(handler_fn::<_, Closed>(|_| Ok(())));
    let made = builder.server(Closed(Arc::clone(&closed))).bind(taken.local_addr().unwrap());
    assert_eq!(error_of(made).0, ErrorKind::AddrInUse);
    assert!(!closed.load(Ordering::SeqCst));
}

/// A27, B38.
#[test]
fn a_poll_interval_of_zero_is_refused() {
    let _alone = testkit::alone();
    let builder = TcpServer::builder(handler_fn(|_| Ok(()))).poll_interval(Duration::ZERO);
    let (kind, text) = error_of(builder.bind("127.0.0.1:0"));
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert!(text.contains("poll_interval"), "{text}");
    let builder = TcpServer::builder(handler_fn(|_| Ok(()))).poll_interval(Duration::ZERO);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(error_of(builder.from_socket(listener)).0, ErrorKind::InvalidInput);
}

/// B8, B16: under a limit of zero no request could ever run.
#[test]
fn limits_of_zero_are_refused() {
    let _alone = testkit::alone();
    let nothing = || handler_fn(|_| Ok(()));
    let threads = ThreadingTcpServer::builder(nothing()).max_threads(0).bind("127.0.0.1:0");
    let (kind, text) = error_of(threads);
    assert_eq!((kind, text.as_str()), (ErrorKind::InvalidInput, "max_threads must not be 0"));
    let children = ForkingTcpServer::builder(nothing()).max_children(0).bind("127.0.0.1:0");
    let (kind, text) = error_of(children);
    assert_eq!((kind, text.as_str()), (ErrorKind::InvalidInput, "max_children must not be 0"));
    let mut forking = Forking::default();
    forking.max_children = 0;
    let any = TcpServer::builder(nothing()).mixin(AnyMixIn::from(forking)).bind("127.0.0.1:0");
    assert_eq!(error_of(any).0, ErrorKind::InvalidInput);
}

/// A14: what fails after the path was made takes it away again.
#[test]
fn a_failure_after_the_bind_leaves_no_path() {
    let _alone = testkit::alone();
    let path = testkit::socket_path();
    let builder = ThreadingUnixStreamServer::builder(handler_fn(|_| Ok(()))).max_threads(0);
    assert_eq!(error_of(builder.bind(&path)).0, ErrorKind::InvalidInput);
    assert!(path.left().is_empty(), "{:?}", path.left());
    let nothing = handler_fn(|_: &mut StreamRequest<'_>| Ok(()));
    let bound = ThreadingUnixStreamServer::builder(nothing).server_bind(&path);
    drop(bound.unwrap());
    assert!(path.left().is_empty(), "{:?}", path.left());
}

/// The mix-in that is chosen at run time tells of a name that it does not know.
#[test]
fn an_unknown_mixin_is_named() {
    let unknown: UnknownMixIn = "threaded".parse::<AnyMixIn>().unwrap_err();
    assert!(unknown.to_string().contains("\"threaded\""), "{unknown}");
}
