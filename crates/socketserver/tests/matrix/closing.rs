//! `server_close`, of a server that is idle, busy, serving or closed already.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use socketserver::Outcome;
use testkit::DEADLINE;

use crate::common::{Mix, Wire, bound, serve};

/// A18, A67, B13: one that never served, and one that did.
pub(crate) fn an_idle_server_is_closed<T: Wire, M: Mix<T>>() {
    bound::<T, M>(|builder| builder).close();
    let server = serve::<T, M>();
    server.ask("echo hello");
    assert!(server.stop().is_complete());
}

/// A20: dropping it is enough.
pub(crate) fn a_server_that_is_dropped_is_closed<T: Wire, M: Mix<T>>() {
    let bound = bound::<T, M>(|builder| builder);
    let address = bound.server_address().clone();
    drop(bound.server);
    assert_eq!(bound.place.left(), [""; 0]);
    if T::IS_STREAM {
        assert!(T::connect(&address).is_err(), "nobody listens");
    }
}

/// A65, A73: it waits for the request that runs.
///
/// A58: a packet's handler in this process finds the server's socket closed, and cannot answer.
pub(crate) fn a_busy_server_is_closed<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    let mut held = server.hold();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| server.drain(Some(DEADLINE)));
        // The hook is called when the socket is closed.
        server.server().trace.wait_for("server_close");
        if T::IS_STREAM {
            // B17: although a child runs.
            assert!(T::connect(server.server_address()).is_err(), "nobody listens");
        }
        assert!(!closing.is_finished(), "it waits");
        server.server().gate.open();
        if T::IS_STREAM || M::FORKS {
            assert_eq!(held.reply().unwrap(), "released");
        } else {
            server.server().trace.wait_for("handle_error Bad file descriptor");
        }
        let report = closing.join().unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.finished, 1);
    });
    server.stop();
}

/// A18, B4: the loop ends, without an error.
pub(crate) fn a_close_ends_the_loop<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    let served = server.while_serving(|| {
        assert_eq!(server.send("echo serving").reply().unwrap(), "serving");
        assert!(server.server_close(Some(DEADLINE)));
    });
    served.unwrap();
    server.close();
}

/// A18, A28, B4: what is asked of a closed server is refused, and nothing spins or waits.
pub(crate) fn a_closed_server_serves_no_more<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    let number = server.fileno().as_raw_fd();
    assert!(server.server_close(Some(DEADLINE)));
    assert!(server.is_closed());
    assert_eq!(server.serve_forever().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(server.handle_request().unwrap(), Outcome::Closed);
    assert_eq!(server.handle_request_noblock(), Outcome::Closed);
    server.shutdown();
    // The number is not given to anybody else for as long as the server has it.
    assert_eq!(server.fileno().as_raw_fd(), number);
    let others: Vec<_> = (0..4).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    assert!(others.iter().all(|file| file.as_raw_fd() != number));
    server.close();
}

/// A18: the second does nothing, and says no other.
pub(crate) fn a_server_is_closed_twice<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    server.ask("echo hello");
    assert!(server.server_close(Some(DEADLINE)));
    assert!(server.server_close(Some(DEADLINE)));
    assert_eq!(server.server().trace.count("server_close"), 1);
    server.stop();
}

/// A20: a guard that is dropped stops the loop and closes the server.
pub(crate) fn a_dropped_guard_stops_the_server<T: Wire, M: Mix<T>>() {
    let served = serve::<T, M>();
    assert_eq!(served.ask("echo hello"), "hello");
    let address = served.server_address().clone();
    drop(served.server);
    assert_eq!(served.place.left(), [""; 0]);
    if T::IS_STREAM {
        assert!(T::connect(&address).is_err(), "nobody listens");
    }
}

/// A19, A31: the address is known and taken before the loop begins, and a guard that is stopped
/// before that leaves nothing.
pub(crate) fn a_guard_is_stopped_before_its_loop_begins<T: Wire, M: Mix<T>>() {
    for _ in 0..5 {
        serve::<T, M>().stop();
    }
}
