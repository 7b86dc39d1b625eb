//! What is called, in which order, and where.

use crate::common::{Bound, Mix, Traced, Wire, bound};

/// What one process noted, and the others.
struct Calls {
    here: Vec<String>,
    children: Vec<String>,
}

fn calls<T: Wire, M: Mix<T>>(server: &Bound<T, M>) -> Calls {
    let own = std::process::id();
    let notes = server.server().trace.notes();
    let (here, children): (Vec<_>, Vec<_>) = notes.into_iter().partition(|it| it.process == own);
    let texts = |notes: Vec<testkit::Note>| notes.into_iter().map(|note| note.text).collect();
    Calls { here: texts(here), children: texts(children) }
}

/// Serves one request, which is `text`, to its end.
fn serve_one<T: Wire, M: Mix<Traced<T>>>(text: &str) -> Bound<Traced<T>, M> {
    let server = bound::<Traced<T>, M>(|builder| builder);
    let _client = server.send(text);
    server.handle_request().unwrap();
    // The request has ended, unless it is a child's: those have ended when the server is closed.
    server.server().trace.wait_for("close_request");
    assert!(server.server_close(Some(testkit::DEADLINE)));
    server
}

/// The calls for one request, between those that make the server and those that close it.
fn expect<T: Wire, M: Mix<Traced<T>>>(text: &str, runs: &[&str]) {
    let server = serve_one::<T, M>(text);
    let calls = calls(&server);
    let begin = ["server_bind", "server_activate", "get_request", "verify_request"];
    let close = ["transport.server_close", "server_close"];
    if M::FORKS {
        // A70: the parent closes the request, and does not shut it down.
        assert_eq!(calls.here, [&begin[..], &["close_request"], &close].concat());
        assert_eq!(calls.children, runs);
    } else {
        assert_eq!(calls.here, [&begin[..], runs, &close].concat());
        assert_eq!(calls.children, [""; 0]);
    }
    server.close();
}

/// A13, A42, A53, A56, A63, A70, A77.
pub(crate) fn hooks_are_called_in_order<T: Wire, M: Mix<Traced<T>>>() {
    let runs = ["open", "setup", "handle", "finish", "shutdown_request", "close_request"];
    expect::<T, M>("echo hello", &runs);
}

/// A46, A63, A70, A79: `finish` runs, and `handle_error` while the request is still open.
pub(crate) fn hooks_are_called_in_order_after_an_error<T: Wire, M: Mix<Traced<T>>>() {
    let error = "handle_error failed as asked";
    let runs = ["open", "setup", "handle", "finish", error, "shutdown_request", "close_request"];
    expect::<T, M>("fail", &runs);
}

/// A46, A79: a panic is an error as any other.
pub(crate) fn hooks_are_called_in_order_after_a_panic<T: Wire, M: Mix<Traced<T>>>() {
    let error = "handle_error request handler panicked: panicked as asked";
    let runs = ["open", "setup", "handle", "finish", error, "shutdown_request", "close_request"];
    expect::<T, M>("panic", &runs);
}

/// A44: it is shut down and closed, once, and in this process.
pub(crate) fn a_refused_request_is_shut_down_once<T: Wire, M: Mix<Traced<T>>>() {
    let server = bound::<Traced<T>, M>(|builder| builder);
    server.server().refuse(true);
    let _client = server.send("echo no");
    server.handle_request().unwrap();
    let calls = calls(&server);
    assert_eq!(
        calls.here[2..],
        ["get_request", "verify_request", "shutdown_request", "close_request"]
    );
    assert_eq!(calls.children, [""; 0]);
    server.close();
}

/// A22, A24: once on each pass of the loop, and not on the one that sees the shutdown.
pub(crate) fn service_actions_is_called_on_each_pass<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.poll_interval(None));
    server.shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.server().passes(), 0);
    let served = server.while_serving(|| {
        assert_eq!(server.send("echo one").reply().unwrap(), "one");
        testkit::eventually("a pass", || server.server().passes() >= 1);
    });
    served.unwrap();
    server.close();
}
