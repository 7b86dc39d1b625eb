//! Loops and shutdowns on several threads at a time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use socketserver::mixin::{MixIn, PendingRequest, Synchronous, Threading, Unprocessed};
use socketserver::transport::{Tcp, UnixStream};
use socketserver::{Outcome, ShutdownHandle, TcpServer};
use testkit::DEADLINE;

use crate::common::{
    CoroutineEpoll, CoroutineIoUring, Hooks, Mix, Place, Script, Wire, bound, serve,
};

/// A31: CPython's own test: start a loop on a thread, and stop it at once.
#[test]
fn a_loop_that_is_stopped_as_it_begins_ends() {
    ends_as_it_begins::<Synchronous>();
    ends_as_it_begins::<CoroutineEpoll>();
    ends_as_it_begins::<CoroutineIoUring>();
}

fn ends_as_it_begins<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    for _ in 0..20 {
        let server = bound::<Tcp, M>(|builder| builder);
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            server.shutdown();
            serving.join().unwrap().unwrap();
        });
        server.close();
    }
}

/// A32.
#[test]
fn all_who_shut_a_server_down_return() {
    all_return::<Threading>();
    all_return::<CoroutineEpoll>();
    all_return::<CoroutineIoUring>();
}

fn all_return<M: Mix<Tcp>>() {
    let _alone = testkit::alone();
    let server = bound::<Tcp, M>(|builder| builder);
    for round in 0..5 {
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            assert_eq!(server.send("echo up").reply().unwrap(), "up", "in round {round}");
            for _ in 0..8 {
                scope.spawn(|| server.shutdown());
            }
            serving.join().unwrap().unwrap();
        });
    }
    server.close();
}

/// A25, A32, B6: all loops of a server end.
#[test]
fn all_loops_of_a_server_are_stopped() {
    let _alone = testkit::alone();
    let server = bound::<UnixStream, Synchronous>(|builder| builder);
    thread::scope(|scope| {
        let loops: Vec<_> = (0..3).map(|_| scope.spawn(|| server.serve_forever())).collect();
        // Each loop has one in its hands, so all three have begun: one that began after the
        // shutdown would not be stopped by it.
        let held: Vec<_> = loops.iter().map(|_| server.send("hold")).collect();
        server.server().trace.wait_for_several(3, "held");
        server.server().gate.open();
        for mut client in held {
            assert_eq!(client.reply().unwrap(), "released");
        }
        server.shutdown();
        for serving in loops {
            serving.join().unwrap().unwrap();
        }
    });
    server.close();
}

/// B3, B43: however loops and shutdowns fall together, none is lost and none is left over.
#[test]
fn no_shutdown_is_left_over_for_the_next_loop() {
    none_is_left_over::<Synchronous>();
    none_is_left_over::<CoroutineEpoll>();
    none_is_left_over::<CoroutineIoUring>();
}

fn none_is_left_over<M: Mix<UnixStream>>() {
    let _alone = testkit::alone();
    let server = bound::<UnixStream, M>(|builder| builder);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    server.shutdown();
                    // Who only locks and unlocks keeps all others from doing so.
                    thread::yield_now();
                }
            });
        }
        for _ in 0..200 {
            // Ends only because one of the two stops it.
            server.serve_forever().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    // The two have ended after the last loop, so what they asked then was nothing.
    assert!(!server.shutdown_handle().is_requested());
    let served = server.while_serving(|| {
        assert_eq!(server.send("echo still").reply().unwrap(), "still");
    });
    served.unwrap();
    server.close();
}

/// A29: `request_shutdown` does not wait for the request at hand.
#[test]
fn a_request_to_stop_does_not_wait() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Synchronous>();
    let mut held = server.hold();
    server.shutdown_handle().request_shutdown();
    assert!(server.shutdown_handle().is_requested(), "the request runs still");
    server.server().gate.open();
    assert_eq!(held.reply().unwrap(), "released");
    server.stop();
}

/// A22, A29: when it has returned, no request is accepted.
fn accepts_nothing_afterwards<T: Wire, M: Mix<T>>() {
    let _alone = testkit::alone();
    let server = serve::<T, M>();
    assert_eq!(server.ask("echo before"), "before");
    server.shutdown();
    let accepted = server.server().trace.count("verify_request");
    let _client = server.connect().send("echo after");
    assert!(server.server_close(Some(DEADLINE)));
    assert_eq!(server.server().trace.count("verify_request"), accepted);
    server.stop();
}

/// A22, A29.
#[test]
fn nothing_is_accepted_after_a_shutdown() {
    accepts_nothing_afterwards::<Tcp, Synchronous>();
    accepts_nothing_afterwards::<UnixStream, Threading>();
    accepts_nothing_afterwards::<Tcp, CoroutineEpoll>();
    accepts_nothing_afterwards::<Tcp, CoroutineIoUring>();
}

/// A mix-in that shuts its server down when the loop is about to wait.
#[derive(Debug, Default)]
struct StopsBeforeTheWait(OnceLock<ShutdownHandle>);

impl<P: PendingRequest> MixIn<P> for StopsBeforeTheWait {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        request.finish();
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.0.get().unwrap().request_shutdown();
        true
    }
}

/// A22: of a client and a shutdown that come together, the shutdown is seen first; the client
/// waits for the next loop.
#[test]
fn a_client_that_comes_with_the_shutdown_is_not_accepted() {
    let _alone = testkit::alone();
    let place = Place::new();
    let server = TcpServer::builder(Script::default)
        .mixin(StopsBeforeTheWait::default())
        .server(Hooks::default())
        .bind(&place)
        .unwrap();
    server.mixin().0.set(server.shutdown_handle()).unwrap();
    let mut client = Tcp::connect(server.server_address()).unwrap();
    client.send("echo patient").unwrap();
    for _ in 0..3 {
        server.serve_forever().unwrap();
        assert_eq!(server.server().trace.texts(), [""; 0]);
    }
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.reply().unwrap(), "patient");
    assert!(server.server_close(Some(DEADLINE)));
}
