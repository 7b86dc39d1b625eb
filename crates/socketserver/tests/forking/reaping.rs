//! Children are waited for one by one, when they end and not before.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use socketserver::Outcome;
use socketserver::mixin::Forking;
use socketserver::transport::{Tcp, Udp, UnixStream};

use crate::common::{Bound, Mix, Wire, bound, forking, serve};

const SHORT: Duration = Duration::from_millis(5);

/// A server that runs `max_children` children at a time.
fn limited<T: Wire>(max_children: usize, timeout: Duration) -> Bound<T, Forking>
where
    Forking: Mix<T>,
{
    let mut mixin = forking();
    mixin.max_children = max_children;
    bound(|builder| builder.mixin(mixin).poll_interval(SHORT).timeout(timeout))
}

/// B12, B15: the last child of an idle server is no zombie until the next request.
#[test]
fn no_zombie_is_left_while_no_request_comes() {
    let _alone = testkit::alone();
    let server = bound::<Tcp, Forking>(|builder| builder.poll_interval(None)).spawn();
    for _ in 0..3 {
        assert_eq!(server.ask("echo hello"), "hello");
        testkit::eventually("no child", || testkit::children().is_empty());
        assert!(server.mixin().active_children().is_empty());
    }
    server.stop();
}

/// A72: children that come and go beside one that stays are reaped, and none of them keeps the
/// loop awake, although the one that stays has a copy of their pidfds.
#[test]
fn a_child_that_stays_keeps_nothing_of_the_others() {
    let _alone = testkit::alone();
    let server = bound::<UnixStream, Forking>(|builder| builder.poll_interval(None)).spawn();
    let mut first = server.hold();
    let mut second = server.connect();
    // Forked while the second's runs, and there when it has ended.
    second.send("echo second").unwrap();
    let mut third = server.hold();
    assert_eq!(second.reply().unwrap(), "second");
    testkit::eventually("the second's end", || server.mixin().active_children().len() == 2);
    testkit::eventually("a loop at rest", || testkit::sleeps_for_ever("socketserver"));
    let passes = server.server().passes();
    assert_eq!(server.ask("echo fourth"), "fourth");
    testkit::eventually("the fourth's end", || server.mixin().active_children().len() == 2);
    let more = server.server().passes() - passes;
    assert!(more <= 4, "{more} passes for one request");
    server.server().gate.open();
    for client in [&mut first, &mut third] {
        assert_eq!(client.reply().unwrap(), "released");
    }
    server.stop();
}

/// A74, B16: whose child it is not, is not waited for: not even at `max_children`.
#[test]
fn a_child_of_somebody_elses_is_left_alone() {
    let _alone = testkit::alone();
    let mut other = Command::new("sh").args(["-c", "exit 72"]).spawn().unwrap();
    let server = limited::<Tcp>(1, SHORT).spawn();
    for number in 0..5 {
        assert_eq!(server.ask(&format!("echo {number}")), number.to_string());
    }
    let mut held = server.hold();
    let mut next = server.connect();
    next.send("echo next").unwrap();
    let passes = server.server().passes();
    testkit::eventually("the loop goes on", || server.server().passes() > passes + 3);
    server.server().gate.open();
    assert_eq!(held.reply().unwrap(), "released");
    assert_eq!(next.reply().unwrap(), "next");
    server.stop();
    assert_eq!(other.wait().unwrap().code(), Some(72));
}

/// B16: at the limit the next client waits; the loop and `service_actions` go on.
fn a_full_server_takes_no_more<T: Wire>()
where
    Forking: Mix<T>,
{
    let _alone = testkit::alone();
    let server = limited::<T>(2, SHORT).spawn();
    let mut held = [server.hold(), server.hold()];
    let mut third = server.connect();
    third.send("echo at last").unwrap();
    let passes = server.server().passes();
    testkit::eventually("the loop goes on", || server.server().passes() > passes + 3);
    assert_eq!(server.server().trace.count("verify_request"), 2, "the third waits");
    assert_eq!(server.mixin().active_children().len(), 2);
    server.server().gate.open();
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    assert_eq!(third.reply().unwrap(), "at last");
    server.stop();
}

/// A72, B16.
#[test]
fn at_the_limit_tcp_clients_wait_in_the_kernels_queue() {
    a_full_server_takes_no_more::<Tcp>();
}

/// A72, B16.
#[test]
fn at_the_limit_datagrams_wait_in_the_kernels_queue() {
    a_full_server_takes_no_more::<Udp>();
}

/// B16: the limit holds up no shutdown.
#[test]
fn a_full_server_is_shut_down_at_once() {
    let _alone = testkit::alone();
    let server = limited::<Tcp>(1, SHORT);
    let mut clients = Vec::new();
    let served = server.while_serving(|| {
        clients.push(server.send("hold"));
        server.server().trace.wait_for("held");
        clients.push(server.send("echo at last"));
        server.shutdown();
    });
    served.unwrap();
    server.server().gate.open();
    let served = server.while_serving(|| {
        assert_eq!(clients[0].reply().unwrap(), "released");
        assert_eq!(clients[1].reply().unwrap(), "at last");
    });
    served.unwrap();
    server.close();
}

/// B15: a loop of `handle_request` reaps, too, and keeps to the limit.
#[test]
fn handle_request_reaps_and_keeps_to_the_limit() {
    let _alone = testkit::alone();
    let server = limited::<Tcp>(2, SHORT);
    let mut held = [server.send("hold"), server.send("hold")];
    for _ in 0..2 {
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    }
    let mut third = server.send("echo at last");
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
    assert_eq!(server.handle_request_noblock(), Outcome::Full);
    assert_eq!(server.mixin().active_children().len(), 2);
    server.server().gate.open();
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    testkit::eventually("room", || server.handle_request().unwrap() == Outcome::Processed);
    assert_eq!(third.reply().unwrap(), "at last");
    // A39: with nothing else to do, the timeout reaps.
    testkit::eventually("the last to be reaped", || {
        server.handle_request().unwrap();
        server.mixin().active_children().is_empty()
    });
    assert!(testkit::children().is_empty());
    server.close();
}

/// B15: and many requests leave no zombies behind.
#[test]
fn many_requests_of_handle_request_leave_no_zombies() {
    let _alone = testkit::alone();
    let server = bound::<Udp, Forking>(|builder| builder);
    let mut client = server.connect();
    for number in 0..30 {
        client.send(&format!("echo {number}")).unwrap();
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(client.reply().unwrap(), number.to_string());
    }
    // Those that end between two requests are reaped with the next.
    assert!(testkit::children().len() < 30);
    testkit::eventually("the last to end", || {
        server.mixin().collect_children();
        testkit::children().is_empty()
    });
    server.close();
}

/// A71: one that somebody killed is reaped as any other.
#[test]
fn a_child_that_was_killed_is_reaped() {
    let _alone = testkit::alone();
    let server = serve::<Tcp, Forking>();
    let mut client = server.hold();
    let [child] = server.mixin().active_children()[..] else {
        panic!("{:?}", server.mixin());
    };
    let child = Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
    kill_process(child, Signal::KILL).unwrap();
    client.assert_ended();
    testkit::eventually("no child", || testkit::children().is_empty());
    assert_eq!(server.ask("echo next"), "next");
    server.stop();
}
