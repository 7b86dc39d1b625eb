//! Requests are served: one and many, good and bad.

use std::sync::atomic::Ordering;

use socketserver::Outcome;
use testkit::DEADLINE;

use crate::common::{Caller, Mix, Wire, bound, serve};

/// A client that asked for something that has no answer gets none, and no other's.
#[track_caller]
fn assert_unanswered<T: Wire>(client: &mut Caller) {
    // A datagram that is never sent cannot be waited for; what matters is that the next client
    // is answered.
    if T::IS_STREAM {
        client.assert_ended();
    }
}

/// A42, A55, A62, A70.
pub(crate) fn serves_one_request<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    assert_eq!(server.ask("echo hello"), "hello");
    assert!(server.stop().is_complete());
}

/// A42, A81: a handler of its own for each.
pub(crate) fn serves_several_requests<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    for number in 0..10 {
        assert_eq!(server.ask(&format!("echo {number}")), number.to_string());
    }
    server.stop();
}

/// Clients that come together are all served, whether their requests run together or not.
pub(crate) fn serves_clients_that_come_together<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&format!("echo {number}")).unwrap();
    }
    // The last first: nobody's answer waits for another's being read.
    for (number, client) in clients.iter_mut().enumerate().rev() {
        assert_eq!(client.reply().unwrap(), number.to_string());
    }
    server.stop();
}

/// A62, A70, A76, B10: concurrent mix-ins answer while another request is held up, and each
/// runs its requests where it says.
pub(crate) fn runs_requests_where_the_mixin_says<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    if M::IS_CONCURRENT {
        let mut held = server.hold();
        assert_eq!(server.ask("echo meanwhile"), "meanwhile");
        server.server().gate.open();
        assert_eq!(held.reply().unwrap(), "released");
    }
    let own = std::process::id().to_string();
    assert_eq!(server.ask("pid") != own, M::FORKS);
    let thread = server.ask("thread");
    let is_serving_thread = thread == "socketserver";
    assert_eq!(is_serving_thread, !M::IS_CONCURRENT || M::FORKS, "it ran on {thread}");
    server.stop();
}

/// A46, A49, A50: it goes to `handle_error`, and the next client is served.
pub(crate) fn an_error_of_a_handler_leaves_the_server_serving<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    for _ in 0..3 {
        let mut client = server.connect();
        client.send("fail").unwrap();
        assert_unanswered::<T>(&mut client);
        assert_eq!(server.ask("echo still here"), "still here");
    }
    server.server().trace.wait_for_several(3, "handle_error failed as asked");
    server.stop();
}

/// A46: a panic is an error as any other.
pub(crate) fn a_panic_of_a_handler_leaves_the_server_serving<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    for _ in 0..3 {
        let mut client = server.connect();
        client.send("panic").unwrap();
        assert_unanswered::<T>(&mut client);
        assert_eq!(server.ask("echo still here"), "still here");
    }
    let told = "handle_error request handler panicked: panicked as asked";
    server.server().trace.wait_for_several(3, told);
    server.stop();
}

/// A44: no handler sees it, it is no error, and the next is served.
pub(crate) fn a_refused_request_reaches_no_handler<T: Wire, M: Mix<T>>() {
    let server = serve::<T, M>();
    server.server().refuse(true);
    let mut client = server.connect();
    // To connect is enough to be refused, and what is sent afterwards may meet a closed connection.
    if !T::IS_STREAM {
        client.send("echo no").unwrap();
    }
    server.server().trace.wait_for("verify_request");
    assert_unanswered::<T>(&mut client);
    server.server().refuse(false);
    assert_eq!(server.ask("echo yes"), "yes");
    let trace = &server.server().trace;
    assert_eq!((trace.count("verify_request"), trace.count("handle")), (2, 1));
    server.stop();
}

/// A35, A41, A43: one request and no more, and no `service_actions`.
pub(crate) fn handle_request_serves_one<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(DEADLINE));
    let mut first = server.send("echo one");
    let mut second = server.send("echo two");
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(first.reply().unwrap(), "one");
    assert_eq!(server.server().trace.count("verify_request"), 1);
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(second.reply().unwrap(), "two");
    assert_eq!(server.server().passes(), 0);
    server.close();
}

/// A35, A44: the caller is told what came of the turn.
pub(crate) fn handle_request_tells_of_a_refusal<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder.timeout(DEADLINE));
    server.server().refuses.store(true, Ordering::SeqCst);
    let _client = server.send("echo no");
    assert_eq!(server.handle_request().unwrap(), Outcome::Refused);
    server.close();
}

/// A35, B6: a turn without a request does not wait for one.
pub(crate) fn handle_request_noblock_does_not_wait<T: Wire, M: Mix<T>>() {
    let server = bound::<T, M>(|builder| builder);
    assert_eq!(server.handle_request_noblock(), Outcome::Nothing);
    let mut client = server.send("echo here");
    assert_eq!(server.handle_request_noblock(), Outcome::Processed);
    assert_eq!(client.reply().unwrap(), "here");
    assert_eq!(server.server().trace.count("handle_timeout"), 0);
    server.close();
}
