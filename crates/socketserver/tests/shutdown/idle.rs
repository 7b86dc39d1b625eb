//! An idle server sleeps, and a request to stop is seen by who asks for it.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socketserver::mixin::{Forking, Synchronous, Threading};
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{TcpServer, handler_fn};
use testkit::DEADLINE;

use crate::common::{CoroutineEpoll, CoroutineIoUring, Mix, Wire, bound};

/// The serving thread waits without a timeout, so nothing but an event can wake it.
fn sleeps<T: Wire, M: Mix<T>>() {
    let _alone = testkit::alone();
    let server = bound::<T, M>(|builder| builder.poll_interval(None)).spawn();
    assert_eq!(server.ask("echo awake"), "awake");
    testkit::eventually("a wait without a timeout", || testkit::sleeps_for_ever("socketserver"));
    let passes = server.server().passes();
    server.stop();
    // One for the request; one more when its thread or child has ended.
    assert!(passes <= 3, "{passes} passes");
}

/// B1.
#[test]
fn an_idle_tcp_server_sleeps() {
    sleeps::<Tcp, Synchronous>();
}

/// B1, B12.
#[test]
fn an_idle_threading_server_sleeps() {
    sleeps::<UnixStream, Threading>();
}

/// B1: nor do those wake that take the requests.
#[test]
fn an_idle_coroutine_server_sleeps() {
    sleeps::<Tcp, CoroutineEpoll>();
    sleeps::<Tcp, CoroutineIoUring>();
}

/// B1, B15: it does not poll for its children either.
#[test]
fn an_idle_forking_server_sleeps() {
    sleeps::<UnixDatagram, Forking>();
    sleeps::<Udp, Forking>();
}

/// A11, B1: without hooks that would have to be called, that is the default.
#[test]
fn a_server_without_hooks_sleeps_by_default() {
    let _alone = testkit::alone();
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(|_| Ok(()))).unwrap().spawn().unwrap();
    testkit::eventually("a wait without a timeout", || testkit::sleeps_for_ever("socketserver"));
    server.stop(Some(DEADLINE)).unwrap();
}

/// A24: with an interval, `service_actions` is called although nothing happens.
#[test]
fn an_idle_server_calls_service_actions_on_each_interval() {
    let _alone = testkit::alone();
    let interval = Duration::from_millis(2);
    let server = bound::<Tcp, Synchronous>(|builder| builder.poll_interval(interval)).spawn();
    testkit::eventually("ten passes", || server.server().passes() >= 10);
    server.stop();
}

/// A29: what `request_shutdown` asks is seen, as a value and as a descriptor, until it is done.
#[test]
fn a_request_to_stop_is_seen_until_it_is_done() {
    let _alone = testkit::alone();
    let server = bound::<Tcp, Synchronous>(|builder| builder);
    let handle = server.shutdown_handle();
    let readable = || {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], Some(&now)) == Ok(1)
    };
    assert!(!handle.is_requested() && !readable());
    handle.request_shutdown();
    assert!(handle.is_requested() && readable());
    server.serve_forever().unwrap();
    assert!(!handle.is_requested() && !readable());
    handle.request_shutdown();
    assert!(!handle.is_requested() && !readable(), "there is nothing to stop");
    let served = server.while_serving(|| {
        assert_eq!(server.send("echo up").reply().unwrap(), "up");
        server.server_close(None);
    });
    served.unwrap();
    assert!(handle.is_requested() && readable(), "a closed server is stopped for good");
}
