//! `handle_request` and its timeout.

use std::time::{Duration, Instant};

use socketserver::Outcome;
use testkit::DEADLINE;

use crate::common::{Mix, Wire, bound};

const SHORT: Duration = Duration::from_millis(20);

/// A36, A38.
pub(crate) fn a_timeout_calls_handle_timeout_once<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(SHORT));
    let begun = Instant::now();
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
    assert!(begun.elapsed() >= SHORT, "it waited for {:?} only", begun.elapsed());
    assert_eq!(server.server().trace.texts(), ["handle_timeout"]);
    server.close();
}

/// A37.
pub(crate) fn a_timeout_of_zero_looks_once<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(Duration::ZERO));
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
    assert_eq!(server.server().trace.texts(), ["handle_timeout"]);
    let mut client = server.send("echo here");
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.reply().unwrap(), "here");
    server.close();
}

/// A40, B36: a request that is handled for longer than the timeout is handled to its end.
pub(crate) fn a_timeout_does_not_bound_the_handling<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(SHORT));
    let mut client = server.send("hold");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.server().trace.wait_for("held");
            std::thread::sleep(SHORT * 2);
            server.server().gate.open();
        });
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(client.reply().unwrap(), "released");
    });
    assert_eq!(server.server().trace.count("handle_timeout"), 0);
    server.close();
}

/// A36: a request that comes while it waits is served, whatever is left of the timeout.
pub(crate) fn a_request_ends_the_wait<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(DEADLINE));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| server.send("echo late").reply());
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(client.join().unwrap().unwrap(), "late");
    });
    assert_eq!(server.server().trace.count("handle_timeout"), 0);
    server.close();
}

/// A23: the timeout is `handle_request`'s alone.
pub(crate) fn serve_forever_ignores_the_timeout<T: Wire, M: Mix<T>>() {
    let interval = Duration::from_millis(1);
    let server = bound::<T, M>(|builder| builder.timeout(interval).poll_interval(interval));
    let served = server.while_serving(|| {
        testkit::eventually("many passes of the loop", || server.server().passes() > 10);
    });
    served.unwrap();
    assert_eq!(server.server().trace.count("handle_timeout"), 0);
    server.close();
}

/// A18, A34: nothing but a request, the timeout and a close ends the wait.
pub(crate) fn a_close_ends_the_wait_and_a_shutdown_does_not<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.handle_request());
        server.shutdown();
        let mut client = server.send("echo served");
        assert_eq!(client.reply().unwrap(), "served");
        assert_eq!(waiting.join().unwrap().unwrap(), Outcome::Processed);

        let waiting = scope.spawn(|| server.handle_request());
        assert!(server.server_close(Some(DEADLINE)));
        let ended = waiting.join().unwrap();
        // Closed before it began to wait, or while it did.
        assert!(matches!(ended, Ok(Outcome::Closed)), "{ended:?}");
    });
    server.close();
}
