//! What a server is that was given no settings.

use std::time::Duration;

use rustix::net::sockopt;
use socketserver::mixin::{AnyMixIn, Backend, Coroutine, Forking, Threading};
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{
    HandlerFn, Result, StreamRequest, StreamRequestHandler, TcpServer, UdpServer, WriteMode,
    handler_fn,
};
use testkit::Connect;

use crate::common::serve;

/// A5, B29, B30: the backlog and the reuse of addresses differ from Python's, and are documented.
#[test]
fn a_stream_server_queues_many_clients_and_starts_again_at_once() {
    let _alone = testkit::alone();
    let tcp = Tcp::default();
    assert_eq!((tcp.request_queue_size, tcp.linger), (4096, Duration::from_secs(2)));
    assert_eq!(
        (tcp.allow_reuse_address, tcp.allow_reuse_port, tcp.ipv6_only),
        (true, false, false)
    );
    let unix = UnixStream::default();
    assert_eq!((unix.request_queue_size, unix.linger), (4096, Duration::from_secs(2)));

    let server = TcpServer::bind("127.0.0.1:0", handler_fn(|_| Ok(()))).unwrap();
    assert!(sockopt::socket_reuseaddr(&server).unwrap());
    assert!(!sockopt::socket_reuseport(&server).unwrap());
    let address = server.server_address().as_inet().unwrap();
    // Far more than five: nobody accepts, and all connect.
    let clients: Vec<_> = (0..100).map(|_| Connect::Tcp(address).connect().unwrap()).collect();
    drop(clients);
}

/// A6, B22: a datagram is read whole, and two servers do not share a port unawares.
#[test]
fn a_datagram_server_reads_whole_datagrams() {
    let _alone = testkit::alone();
    let udp = Udp::default();
    assert_eq!((udp.max_packet_size, udp.send_timeout), (64 * 1024, Duration::from_secs(1)));
    assert_eq!(
        (udp.allow_reuse_address, udp.allow_reuse_port, udp.ipv6_only),
        (false, false, false)
    );
    let unix = UnixDatagram::default();
    assert_eq!((unix.max_packet_size, unix.send_timeout), (64 * 1024, Duration::from_secs(1)));

    let nothing = |_: &mut socketserver::DatagramRequest<'_>| Ok(());
    let server = UdpServer::bind("127.0.0.1:0", move || HandlerFn::new(nothing)).unwrap();
    assert!(!sockopt::socket_reuseaddr(&server).unwrap());
    assert!(!sockopt::socket_reuseport(&server).unwrap());
}

/// A8, A9.
#[test]
fn mixins_wait_for_their_requests_and_have_limits() {
    let _alone = testkit::alone();
    let threading = Threading::default();
    assert_eq!((threading.daemon_threads, threading.block_on_close), (false, true));
    assert_eq!((threading.max_threads, threading.threads()), (1024, 0));
    let forking = Forking::default();
    assert_eq!((forking.max_children, forking.block_on_close), (40, true));
    assert!(!forking.allow_threads && forking.active_children().is_empty());
    assert!(matches!(AnyMixIn::default(), AnyMixIn::Synchronous(_)));
    let coroutine = Coroutine::default();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!((coroutine.workers, coroutine.coroutines()), (cores, 0));
    assert_eq!((coroutine.stack_size, coroutine.max_coroutines), (256 * 1024, 100_000));
    assert_eq!((coroutine.hibernate_after, coroutine.backend), (None, Backend::Auto));
    assert!(coroutine.block_on_close);
}

/// A10.
#[test]
fn a_stream_handler_reads_ahead_and_writes_at_once() {
    struct Plain;
    impl StreamRequestHandler for Plain {
        fn handle(&mut self, _: &mut StreamRequest<'_>) -> Result {
            Ok(())
        }
    }
    let plain = Plain;
    assert_eq!(plain.rbufsize(), 8192);
    assert_eq!(plain.wbufsize(), WriteMode::Auto, "at once, except on a coroutine");
    assert_eq!(plain.timeout(), None);
    assert!(!plain.disable_nagle_algorithm());
}

/// A4, A11: without a timeout, and with hooks of its own, a server wakes twice a second for them.
#[test]
fn a_server_has_no_timeout_and_wakes_for_its_hooks_alone() {
    let _alone = testkit::alone();
    let plain = TcpServer::bind("127.0.0.1:0", handler_fn(|_| Ok(()))).unwrap();
    let shown = format!("{plain:?}");
    assert!(shown.contains("timeout: None, poll_interval: None"), "{shown}");
    struct Quiet;
    impl socketserver::BaseServer for Quiet {}
    let hooked = TcpServer::builder(handler_fn::<_, Quiet>(|_| Ok(())));
    let hooked = hooked.server(Quiet).bind("127.0.0.1:0").unwrap();
    let shown = format!("{hooked:?}");
    assert!(shown.contains("timeout: None, poll_interval: Some(500ms)"), "{shown}");
}

/// As `/proc` shows it.
const O_CLOEXEC: u32 = 0o2000000;

/// A21: whatever a server opens, a program that its process runs does not get.
#[test]
fn nothing_that_a_server_opens_is_inherited_by_programs() {
    let _alone = testkit::alone();
    let before = testkit::descriptors();
    let tcp = serve::<Tcp, Threading>();
    let forking = serve::<UnixDatagram, Forking>();
    let mut client = tcp.hold();
    let opened: Vec<_> = testkit::descriptors()
        .into_iter()
        .filter(|(number, _)| !before.contains_key(number))
        .collect();
    assert!(opened.len() >= 10, "too few to be all: {opened:?}");
    for (number, what) in opened {
        let shown = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = shown.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert_ne!(flags & O_CLOEXEC, 0, "{number} is {what}");
    }
    tcp.server().gate.open();
    assert_eq!(client.reply().unwrap(), "released");
    tcp.stop();
    forking.stop();
}
