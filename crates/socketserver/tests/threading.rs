//! Requests on threads of their own: how many, which, and what if there is none to be had.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socketserver::mixin::{MixIn, Threading};
use socketserver::transport::{Tcp, Udp, UnixStream};
use socketserver::{
    BaseServer, Failure, Outcome, Pending, RequestError, StreamRequest, ThreadingTcpServer,
    handler_fn,
};
use testkit::{Connect, DEADLINE, Process};

use crate::common::{Bound, Wire, bound, serve};

const OFTEN: Duration = Duration::from_millis(1);

/// A66, B12: finished threads are used again, so there are as many as ran at a time.
#[test]
fn finished_threads_are_used_again() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Threading>();
    let names: BTreeSet<_> = (0..50).map(|_| server.ask("thread")).collect();
    // A request may come before the thread of the last is done with it, but not often.
    assert!(names.len() < 25, "{names:?}");
    assert!(server.mixin().threads() < 25);
    assert!(names.iter().all(|name| name.starts_with("socketserver-")), "{names:?}");
    server.stop();
}

/// A66, B12: and none is kept for the requests that have ended.
#[test]
fn a_thousand_requests_leave_few_threads() {
    let _alone = testkit::alone();
    let server = serve::<Udp, Threading>();
    let mut client = server.connect();
    for number in 0..1000 {
        assert_eq!(client.ask(&format!("echo {number}")).unwrap(), number.to_string());
    }
    assert!(server.mixin().threads() < 100, "{:?}", server.mixin());
    server.stop();
}

/// A62, B8: as many as are asked for run at a time.
#[test]
fn many_requests_run_at_a_time() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Threading>();
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("hold").unwrap();
    }
    server.server().trace.wait_for_several(50, "held");
    assert_eq!((server.mixin().threads(), server.active_requests()), (50, 50));
    server.server().gate.open();
    for client in &mut clients {
        assert_eq!(client.reply().unwrap(), "released");
    }
    server.stop();
}

/// A server that runs two requests at a time.
fn limited<T: Wire>() -> Bound<T, Threading>
where
    Threading: crate::common::Mix<T>,
{
    let mut mixin = Threading::default();
    mixin.max_threads = 2;
    bound::<T, Threading>(|builder| builder.mixin(mixin).poll_interval(OFTEN))
}

/// B8: who comes when all threads are busy waits in the kernel's queue; the loop goes on, and so
/// does `service_actions`.
fn a_full_server_takes_no_more<T: Wire>()
where
    Threading: crate::common::Mix<T>,
{
    let _alone = testkit::alone();
    let server = limited::<T>().spawn();
    let mut held = [server.hold(), server.hold()];
    let mut third = server.connect();
    third.send("echo at last").unwrap();
    let passes = server.server().passes();
    testkit::eventually("the loop goes on", || server.server().passes() > passes + 3);
    assert_eq!(server.server().trace.count("verify_request"), 2, "the third waits");
    assert_eq!(server.mixin().threads(), 2);
    server.server().gate.open();
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    assert_eq!(third.reply().unwrap(), "at last");
    assert_eq!(server.mixin().threads(), 2);
    server.stop();
}

/// B8.
#[test]
fn at_the_limit_tcp_clients_wait_in_the_kernels_queue() {
    a_full_server_takes_no_more::<Tcp>();
}

/// B8.
#[test]
fn at_the_limit_datagrams_wait_in_the_kernels_queue() {
    a_full_server_takes_no_more::<Udp>();
}

/// B8, B16: the limit holds up no shutdown.
#[test]
fn a_full_server_is_shut_down_at_once() {
    let _alone = testkit::alone();
    let server = limited::<UnixStream>();
    let mut held = Vec::new();
    let mut third = None;
    let served = server.while_serving(|| {
        held.extend([server.send("hold"), server.send("hold")]);
        server.server().trace.wait_for_several(2, "held");
        third = Some(server.send("echo at last"));
        server.shutdown();
    });
    served.unwrap();
    server.server().gate.open();
    // The one that has waited is served by the next loop.
    let served = server.while_serving(|| {
        assert_eq!(third.unwrap().reply().unwrap(), "at last");
    });
    served.unwrap();
    server.close();
}

/// B8: a caller's own loop is told.
#[test]
fn a_full_server_says_so() {
    let _alone = testkit::alone();
    let server = limited::<Tcp>();
    let mut held = [server.send("hold"), server.send("hold")];
    let mut third = server.send("echo at last");
    for _ in 0..2 {
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    }
    assert_eq!(server.handle_request_noblock(), Outcome::Full);
    server.server().gate.open();
    // It waits for room, and then takes the third.
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(third.reply().unwrap(), "at last");
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    server.close();
}

/// B8: no limit is a choice that is written down.
#[test]
fn a_server_without_a_limit_always_has_room() {
    let _alone = testkit::alone();
    let mut mixin = Threading::default();
    mixin.max_threads = usize::MAX;
    let server = bound::<Tcp, Threading>(|builder| builder.mixin(mixin)).spawn();
    let mut held: Vec<_> = (0..10).map(|_| server.hold()).collect();
    assert!(MixIn::<Pending<Tcp, common::Hooks>>::has_room(server.mixin()));
    server.server().gate.open();
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    server.stop();
}

/// Tells what could not be started.
struct Telling;

impl BaseServer for Telling {
    fn handle_error(&self, error: &RequestError, _: &socketserver::Address) {
        if let Failure::Process(_) = error.failure() {
            let _ = error.connection().map(|client| client.send_all(b"busy\n"));
        }
    }
}

/// A69: a request for which there is no thread goes to `handle_error`, still open, and is closed;
/// the server goes on.
#[test]
fn a_thread_that_cannot_be_had_costs_one_request() {
    let _alone = testkit::alone();
    if testkit::role().is_none() {
        // The limit would be everybody's in this process.
        let name = "a_thread_that_cannot_be_had_costs_one_request";
        let (status, output) = Process::of_test(name, "without memory for a stack").wait();
        assert!(status.success(), "{output}");
        return;
    }
    let hello = handler_fn(|request: &mut StreamRequest<'_, Telling>| {
        Ok(request.wfile.write_all(b"hello\n")?)
    });
    let server = ThreadingTcpServer::builder(hello).server(Telling).bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());

    let mut refused = address.connect().unwrap();
    let unlimited = getrlimit(Resource::As);
    // Less than a stack takes, on top of what there is.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let used: u64 = used.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let limit = (used + 256) * 1024;
    setrlimit(Resource::As, Rlimit { current: Some(limit), ..unlimited }).unwrap();
    let outcome = server.handle_request();
    setrlimit(Resource::As, unlimited).unwrap();
    assert_eq!(outcome.unwrap(), Outcome::Processed);
    assert_eq!(refused.read_to_end().unwrap(), b"busy\n");
    assert_eq!(server.mixin().threads(), 0);

    let mut served = address.connect().unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(served.read_to_end().unwrap(), b"hello\n");
    assert!(server.server_close(Some(DEADLINE)));
}

/// B13: and one that never started is not waited for.
#[test]
fn a_server_whose_threads_all_ended_is_closed_at_once() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Threading>();
    for _ in 0..3 {
        assert_eq!(server.ask("echo hello"), "hello");
    }
    testkit::eventually("their end", || server.active_requests() == 0);
    assert!(server.server_close(None));
    assert!(testkit::threads().iter().all(|name| !name.starts_with("socketserver-")));
    server.stop();
}
