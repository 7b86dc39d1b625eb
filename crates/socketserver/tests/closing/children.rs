//! Requests that run in children when their server is closed.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use socketserver::mixin::Forking;
use socketserver::transport::{Tcp, Udp, UnixStream};
use socketserver::{ForkingTcpServer, Result, StreamRequest, TcpServer, handler_fn};
use testkit::{Connect, DEADLINE};

use crate::common::{bound, forking, serve};

/// A73: those that end in time are waited for.
#[test]
fn children_that_end_in_time_are_waited_for() {
    let _alone = testkit::alone();
    let server = serve::<UnixStream, Forking>();
    let mut clients = [server.hold(), server.hold()];
    thread::scope(|scope| {
        let closing = scope.spawn(|| server.drain(Some(DEADLINE)));
        testkit::eventually("the close", || server.is_closed());
        server.server().gate.open();
        for client in &mut clients {
            assert_eq!(client.reply().unwrap(), "released");
        }
        let report = closing.join().unwrap();
        assert!(report.is_complete(), "{report:?}");
    });
    assert!(server.mixin().active_children().is_empty());
    server.stop();
}

/// B20: after the deadline they get a SIGTERM, and the caller is told who.
#[test]
fn children_are_ended_after_the_deadline() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Forking>();
    let mut client = server.hold();
    let report = server.drain(Some(Duration::ZERO));
    assert_eq!((report.cut.len(), report.unfinished, report.finished), (1, 0, 0));
    client.assert_ended();
    assert!(report.cut[0].client_address.as_inet().unwrap().ip().is_loopback());
    assert!(server.mixin().active_children().is_empty());
    server.stop();
}

/// B20: so are those of a datagram server, which have no connection to cut.
#[test]
fn children_without_a_connection_are_ended_after_the_deadline() {
    let _alone = testkit::alone();
    let server = serve::<Udp, Forking>();
    let _client = server.hold();
    let report = server.drain(Some(Duration::ZERO));
    assert_eq!((report.cut.len(), report.unfinished), (1, 0));
    server.stop();
}

/// Survives SIGTERM, and ends only when the test must have failed.
fn stubborn(request: &mut StreamRequest<'_>) -> Result {
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::new(AtomicBool::new(false)))?;
    request.wfile.write_all(b"no\n")?;
    let begun = Instant::now();
    while begun.elapsed() < 3 * DEADLINE {
        thread::sleep(DEADLINE);
    }
    Ok(())
}

/// B20: one that ignores that gets a SIGKILL, a second later.
#[test]
fn a_child_that_ignores_sigterm_is_killed() {
    let _alone = testkit::alone();
    let server = ForkingTcpServer::builder(handler_fn(stubborn))
        .mixin(forking())
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut client = address.connect().unwrap();
    assert_eq!(client.read_line().unwrap(), "no\n");
    let report = server.drain(Some(Duration::ZERO));
    assert_eq!((report.cut.len(), report.unfinished), (1, 0), "it is told once");
    assert_eq!(client.read_to_end().unwrap(), b"");
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}

/// A73: without `block_on_close` children go on, and are no zombies afterwards.
#[test]
fn block_on_close_false_waits_for_no_child() {
    let _alone = testkit::alone();
    let mut mixin = forking();
    mixin.block_on_close = false;
    let server = bound::<Tcp, Forking>(|builder| builder.mixin(mixin)).spawn();
    let mut client = server.hold();
    let report = server.drain(None);
    assert_eq!((report.unfinished, report.cut.len()), (1, 0));
    // B17: and they do not hold its address.
    let address = server.server_address().as_inet().unwrap();
    let again = TcpServer::bind(address, handler_fn(|_| Ok(()))).unwrap();
    server.server().gate.open();
    assert_eq!(client.reply().unwrap(), "released");
    drop(again);
    drop(server);
    testkit::eventually("the end of the child", || testkit::children().is_empty());
}

/// A20, B20: a guard that is dropped leaves no child.
#[test]
fn a_guard_that_is_dropped_ends_its_children() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Forking>();
    let mut client = server.hold();
    drop(server);
    client.assert_ended();
}

/// B34: the path is the parent's: a child that ends does not take it away.
#[test]
fn a_childs_end_leaves_the_parents_path() {
    let _alone = testkit::alone();
    let server = serve::<UnixStream, Forking>();
    for _ in 0..3 {
        assert_eq!(server.ask("echo hello"), "hello");
    }
    testkit::eventually("their end", || server.mixin().active_children().is_empty());
    assert_eq!(server.place.left(), ["s"]);
    server.stop();
}
