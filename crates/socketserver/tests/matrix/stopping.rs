//! `shutdown`, and serving again.

use std::thread;
use std::time::Duration;

use testkit::within_deadline;

use crate::common::{Mix, Traced, Wire, bound, serve};

/// A29, A30, B1: at once, although the loop has a minute to wait.
pub(crate) fn an_idle_server_is_shut_down_at_once<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.poll_interval(Duration::from_secs(60)));
    let server = server.spawn();
    assert_eq!(server.ask("echo serving"), "serving");
    let handle = server.shutdown_handle();
    within_deadline(move || handle.shutdown());
    assert!(!server.shutdown_handle().is_requested(), "the loop has ended");
    server.stop();
}

/// A29: when it returns, a synchronous server's request has finished; threads and children go on.
pub(crate) fn a_busy_server_is_shut_down<T: Wire, M: Mix<Traced<T>>>() {
    let server = serve::<Traced<T>, M>();
    let mut held = server.hold();
    let (handle, hooks) = (server.shutdown_handle(), server.server());
    if M::IS_CONCURRENT {
        within_deadline(move || handle.shutdown());
        hooks.trace.note("shut down");
        hooks.gate.open();
    } else {
        thread::scope(|scope| {
            scope.spawn(|| {
                handle.shutdown();
                hooks.trace.note("shut down");
            });
            testkit::eventually("a request to stop", || handle.is_requested());
            hooks.gate.open();
        });
    }
    assert_eq!(held.reply().unwrap(), "released");
    hooks.trace.wait_for("shut down");
    hooks.trace.wait_for("finish");
    let texts = hooks.trace.texts();
    let at = |text: &str| texts.iter().position(|it| it == text).unwrap();
    assert_eq!(at("finish") > at("shut down"), M::IS_CONCURRENT, "{texts:?}");
    if !M::IS_CONCURRENT {
        assert!(at("close_request") < at("shut down"), "{texts:?}");
    }
    server.stop();
}

/// A31, B3: one that comes before the loop ends that loop at once, and none after it.
pub(crate) fn a_shutdown_before_the_loop_is_kept_for_it<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    server.shutdown();
    server.serve_forever().unwrap();
    let served = server.while_serving(|| {
        assert_eq!(server.send("echo again").reply().unwrap(), "again");
    });
    served.unwrap();
    server.close();
}

/// A25, B3: and a shutdown after the loop has ended is not kept for the next.
pub(crate) fn a_server_serves_again_after_a_shutdown<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    for round in 0..3 {
        let served = server.while_serving(|| {
            let text = format!("echo {round}");
            assert_eq!(server.send(&text).reply().unwrap(), round.to_string());
            server.shutdown();
        });
        served.unwrap();
        server.shutdown();
    }
    server.close();
}

/// A22: who comes after a shutdown waits in the kernel's queue, and is served by the next loop.
pub(crate) fn who_comes_after_a_shutdown_is_served_by_the_next_loop<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    let mut client = server.send("echo patient");
    server.shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.server().trace.texts(), [""; 0], "nothing was accepted");
    let served = server.while_serving(|| assert_eq!(client.reply().unwrap(), "patient"));
    served.unwrap();
    server.close();
}

/// A33, B2: in a handler it does not wait, and the loop ends after the request.
pub(crate) fn a_handler_shuts_its_server_down<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        assert_eq!(server.send("shutdown").reply().unwrap(), "stopped");
        serving.join().unwrap().unwrap();
    });
    server.close();
}
