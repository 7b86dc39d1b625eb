//! Requests that run on threads, or on the serving thread, when their server is closed.

use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socketserver::mixin::{Synchronous, Threading};
use socketserver::observe::Event;
use socketserver::transport::{Tcp, Udp, UnixStream};
use socketserver::{StreamRequest, ThreadingTcpServer, handler_fn};
use testkit::{Connect, DEADLINE, Trace};

use crate::common::{CoroutineEpoll, CoroutineIoUring, Mix, Wire, bound, serve};

/// Long enough for a request that ends by itself, and over at once for one that does not.
const SHORT: Duration = Duration::from_millis(30);

/// A65, B11: those that end in time are counted, and none is cut.
#[test]
fn requests_that_end_in_time_are_not_cut() {
    those_in_time_are_not_cut::<Threading>();
    those_in_time_are_not_cut::<CoroutineEpoll>();
    those_in_time_are_not_cut::<CoroutineIoUring>();
}

fn those_in_time_are_not_cut<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, M>();
    let mut clients = [server.hold(), server.hold(), server.hold()];
    thread::scope(|scope| {
        let closing = scope.spawn(|| server.drain(Some(DEADLINE)));
        server.server().trace.wait_for("server_close");
        server.server().gate.open();
        for client in &mut clients {
            assert_eq!(client.reply().unwrap(), "released");
        }
        let report = closing.join().unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.finished, report.unfinished), (3, 0));
        assert!(report.cut.is_empty() && report.elapsed < DEADLINE);
    });
    server.stop();
}

/// A65: without a deadline it waits for as long as it takes.
#[test]
fn a_close_without_a_deadline_waits() {
    it_waits::<Threading>();
    it_waits::<CoroutineEpoll>();
    it_waits::<CoroutineIoUring>();
}

fn it_waits<M: Mix<UnixStream>>() {
    let _alone = testkit::alone();
    let server = serve::<UnixStream, M>();
    let mut client = server.hold();
    thread::scope(|scope| {
        let closing = scope.spawn(|| server.server_close(None));
        server.server().trace.wait_for("server_close");
        assert!(!closing.is_finished());
        server.server().gate.open();
        assert_eq!(client.reply().unwrap(), "released");
        assert!(closing.join().unwrap());
    });
    server.stop();
}

/// B11: an idle client cannot hold up the end; its handler sees why, and the caller is told who.
fn idle_clients_are_cut<T: Wire, M: Mix<T>>() {
    let _alone = testkit::alone();
    let server = serve::<T, M>();
    let mut client = server.connect();
    server.server().trace.wait_for("setup");
    let report = server.drain(Some(SHORT));
    client.assert_ended();
    assert_eq!((report.cut.len(), report.unfinished, report.finished), (1, 0, 0));
    assert!(!report.is_complete());
    assert!(report.cut[0].age >= SHORT && report.elapsed >= SHORT, "{report:?}");
    let trace = &server.server().trace;
    trace.wait_for("handle_error the server was closed and cut the request");
    assert_eq!(trace.count("finish"), 1, "it could clean up");
    assert!(!server.server_close(Some(SHORT)) || trace.count("finish") == 1);
    server.stop();
}

/// B11.
#[test]
fn an_idle_client_of_a_thread_is_cut() {
    idle_clients_are_cut::<Tcp, Threading>();
    idle_clients_are_cut::<UnixStream, Threading>();
}

/// B11.
#[test]
fn an_idle_client_of_a_coroutine_is_cut() {
    idle_clients_are_cut::<Tcp, CoroutineEpoll>();
    idle_clients_are_cut::<Tcp, CoroutineIoUring>();
    idle_clients_are_cut::<UnixStream, CoroutineEpoll>();
    idle_clients_are_cut::<UnixStream, CoroutineIoUring>();
}

/// B10, B11: and one of a synchronous server.
#[test]
fn an_idle_client_of_the_serving_thread_is_cut() {
    idle_clients_are_cut::<Tcp, Synchronous>();
    idle_clients_are_cut::<UnixStream, Synchronous>();
}

/// B11: the report and the observer say whose requests were cut.
#[test]
fn the_caller_is_told_who_was_cut() {
    who_was_cut_is_told::<Threading>();
    who_was_cut_is_told::<CoroutineEpoll>();
    who_was_cut_is_told::<CoroutineIoUring>();
}

fn who_was_cut_is_told<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let server = bound::<Tcp, M>(|builder| {
        builder.observer(move |event: &Event<'_>| match event {
            Event::Cut { client_address, .. } => {
                seen.lock().unwrap().push(format!("cut {client_address}"));
            }
            Event::Closed { server_address, .. } => {
                seen.lock().unwrap().push(format!("closed {server_address}"));
            }
            _ => {}
        })
    });
    let server = server.spawn();
    let addresses: Vec<_> = (0..3)
        .map(|_| {
            let address = server.server_address().as_inet().unwrap();
            let socket = std::net::TcpStream::connect(address).unwrap();
            (socket.local_addr().unwrap().to_string(), socket)
        })
        .collect();
    server.server().trace.wait_for_several(3, "setup");
    let report = server.drain(Some(Duration::ZERO));
    let mut told: Vec<_> = report.cut.iter().map(|cut| cut.client_address.to_string()).collect();
    let mut clients: Vec<_> = addresses.iter().map(|(address, _)| address.clone()).collect();
    told.sort();
    clients.sort();
    assert_eq!(told, clients);
    let events = std::mem::take(&mut *events.lock().unwrap());
    assert_eq!(events[0], format!("closed {}", server.server_address()));
    let mut cut: Vec<_> = events[1..].to_vec();
    cut.sort();
    assert_eq!(cut, clients.iter().map(|client| format!("cut {client}")).collect::<Vec<_>>());
    server.stop();
}

/// B11: a handler that writes to a client that does not read is cut too.
#[test]
fn a_handler_that_writes_is_cut() {
    let _alone = testkit::alone();
    let trace = Arc::new(Trace::new());
    let notes = Arc::clone(&trace);
    let flood = handler_fn(move |request: &mut StreamRequest<'_>| {
        notes.note("writing");
        let error = loop {
            if let Err(error) = request.wfile.write_all(&[0; 64 * 1024]) {
                break error;
            }
        };
        notes.note(format!("{:?} {}", error.kind(), request.is_cut()));
        Ok(())
    });
    let server = ThreadingTcpServer::bind("127.0.0.1:0", flood).unwrap().spawn().unwrap();
    let address = server.server_address().as_inet().unwrap();
    let _client = Connect::Tcp(address).connect().unwrap();
    trace.wait_for("writing");
    let report = server.drain(Some(SHORT));
    assert_eq!((report.cut.len(), report.unfinished), (1, 0));
    let texts = trace.texts();
    assert!(texts[1].ends_with(" true") && texts[1] != "Ok true", "{texts:?}");
    server.stop(Some(DEADLINE)).unwrap();
}

/// B11: what neither reads nor writes cannot be cut; the caller is told, and may wait again.
#[test]
fn a_handler_that_does_not_look_is_left_and_told() {
    let _alone = testkit::alone();
    let server = serve::<Udp, Threading>();
    let _client = server.hold();
    let report = server.drain(Some(Duration::ZERO));
    assert_eq!((report.cut.len(), report.unfinished), (1, 1));
    assert!(!report.is_complete());
    server.server().gate.open();
    let report = server.drain(Some(DEADLINE));
    assert!(report.is_complete(), "{report:?}");
    server.stop();
}

/// A20, B11: a guard that is dropped gives requests a second, and then cuts them.
#[test]
fn a_guard_that_is_dropped_cuts_what_does_not_end() {
    a_dropped_guard_cuts::<Threading>();
    a_dropped_guard_cuts::<CoroutineEpoll>();
    a_dropped_guard_cuts::<CoroutineIoUring>();
}

fn a_dropped_guard_cuts<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let served = serve::<Tcp, M>();
    let mut client = served.connect();
    served.server().trace.wait_for("setup");
    drop(served);
    client.assert_ended();
}

/// B11, B24: a client that still sends when its reply is out holds nobody up who closes.
#[test]
fn a_lingering_close_ends_with_the_deadline() {
    a_lingering_close_ends::<Threading>();
    a_lingering_close_ends::<CoroutineEpoll>();
    a_lingering_close_ends::<CoroutineIoUring>();
}

fn a_lingering_close_ends<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let server = bound::<Tcp, M>(|builder| builder.linger(Duration::from_secs(60)));
    let server = server.spawn();
    let mut client = server.connect();
    client.send("echo bye\nand more that nobody reads").unwrap();
    assert_eq!(client.reply().unwrap(), "bye");
    server.server().trace.wait_for("finish");
    let report = server.drain(Some(SHORT));
    assert_eq!(report.unfinished, 0, "{report:?}");
    server.stop();
}

/// A64, A65: daemon threads are neither waited for nor cut.
#[test]
fn daemon_threads_are_left_alone() {
    let _alone = testkit::alone();
    left_alone(|mixin| mixin.daemon_threads = true);
}

/// A65: nor is anything, when the mix-in is told so.
#[test]
fn block_on_close_false_waits_for_no_thread() {
    let _alone = testkit::alone();
    left_alone(|mixin| mixin.block_on_close = false);
}

fn left_alone(set: impl FnOnce(&mut Threading)) {
    let mut mixin = Threading::default();
    set(&mut mixin);
    let served = bound::<Tcp, Threading>(|builder| builder.mixin(mixin)).spawn();
    let mut client = served.hold();
    let report = served.drain(None);
    assert_eq!((report.unfinished, report.cut.len(), report.finished), (1, 0, 0));
    assert!(!served.server_close(None), "it is told that not all ended");
    let hooks = served.server();
    hooks.gate.open();
    assert_eq!(client.reply().unwrap(), "released", "the request went on");
    client.assert_ended();
}

/// A18: the hook is called when the socket is closed, before anything is waited for.
#[test]
fn the_hook_is_called_before_requests_are_waited_for() {
    the_hook_comes_first::<Threading>();
    the_hook_comes_first::<CoroutineEpoll>();
    the_hook_comes_first::<CoroutineIoUring>();
}

fn the_hook_comes_first<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, M>();
    let mut client = server.hold();
    thread::scope(|scope| {
        let closing = scope.spawn(|| server.drain(Some(DEADLINE)));
        server.server().trace.wait_for("server_close");
        let refused = Tcp::connect(server.server_address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        server.server().gate.open();
        assert_eq!(client.reply().unwrap(), "released");
        assert!(closing.join().unwrap().is_complete());
    });
    assert_eq!(server.server().trace.count("server_close"), 1);
    server.stop();
}
