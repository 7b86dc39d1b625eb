//! The classes of errors, and what is done about each.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use socketserver::Outcome;
use socketserver::mixin::AnyMixIn;
use socketserver::observe::AcceptAction;
use testkit::{Connect, DEADLINE};

use crate::scripted::{Step, mixins, server};

const EMFILE: Step = Step::Errno(24);
const ENOMEM: Step = Step::Errno(12);
const ECONNABORTED: Step = Step::Errno(103);
const EAGAIN: Step = Step::Errno(11);
const EINTR: Step = Step::Errno(4);
const EINVAL: Step = Step::Errno(22);

/// Whatever the script does, one client is served in the end, under each mix-in; returns what was
/// told under each.
fn serves_after(steps: &[Step]) -> [Vec<(String, Option<AcceptAction>)>; 3] {
    mixins().map(|mixin| serves_under(mixin, steps))
}

fn serves_under(mixin: AnyMixIn, steps: &[Step]) -> Vec<(String, Option<AcceptAction>)> {
    let _alone = testkit::alone();
    let (server, told) = server(mixin, steps);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let server = server.spawn().unwrap();
    assert_eq!(address.connect().unwrap().read_to_end().unwrap(), b"hello");
    assert!(server.transport().calls() > steps.len(), "all of the script was played");
    server.stop(Some(DEADLINE)).unwrap();
    std::mem::take(&mut *told.lock().unwrap())
}

fn pauses(told: &[(String, Option<AcceptAction>)]) -> Vec<Duration> {
    let pause = |action: &Option<AcceptAction>| match action {
        Some(AcceptAction::Pause(pause)) => Some(*pause),
        _ => None,
    };
    told.iter().filter_map(|(_, action)| pause(action)).collect()
}

/// A43, B27: that of one client is told, and nobody waits for it.
#[test]
fn an_error_of_one_client_is_told_and_passed_over() {
    for told in serves_after(&[ECONNABORTED, ECONNABORTED]) {
        // The second falls into the same second, and is only counted.
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, Some(AcceptAction::Continue));
        assert!(told[0].0.contains("abort"), "{told:?}");
    }
}

/// A43, A94: that there is nothing to accept is no error.
#[test]
fn nothing_to_accept_is_not_told() {
    assert_eq!(serves_after(&[EAGAIN, EINTR, EAGAIN]), [vec![], vec![], vec![]]);
}

/// B5: without a descriptor to be had, not even in reserve, the server rests a little.
#[test]
fn a_host_without_descriptors_makes_the_server_rest() {
    // Each is tried again on the reserve descriptor, which is of no use to this script.
    for told in serves_after(&[EMFILE, EMFILE]) {
        assert_eq!(pauses(&told), [Duration::from_millis(5)], "{told:?}");
    }
}

/// B5: and so without memory, or with an error that only the transport understands.
#[test]
fn an_error_of_the_host_makes_the_server_rest() {
    for told in serves_after(&[ENOMEM]) {
        assert_eq!(pauses(&told), [Duration::from_millis(5)], "{told:?}");
    }
    for told in serves_after(&[Step::Error]) {
        assert_eq!(pauses(&told), [Duration::from_millis(5)], "{told:?}");
        assert_eq!(told[0].0, "of the transport's own");
    }
}

/// B5: each rest is twice as long as the last, so that a long want costs next to nothing.
#[test]
fn a_want_that_lasts_is_met_with_longer_rests() {
    for mixin in mixins() {
        rests_get_longer(mixin);
    }
}

fn rests_get_longer(mixin: AnyMixIn) {
    let _alone = testkit::alone();
    let (server, _) = server(mixin, &[ENOMEM; 7]);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let begun = std::time::Instant::now();
    let server = server.spawn().unwrap();
    assert_eq!(address.connect().unwrap().read_to_end().unwrap(), b"hello");
    // 5 + 10 + 20 + 40 + 80 + 160 + 320
    assert!(begun.elapsed() >= Duration::from_millis(635), "{:?}", begun.elapsed());
    // Seven errors, the client, and perhaps a look that found nothing.
    assert!(server.transport().calls() <= 9, "{}", server.transport().calls());
    server.stop(Some(DEADLINE)).unwrap();
}

/// B5: a server that rests is stopped at once all the same.
#[test]
fn a_server_that_rests_is_stopped_at_once() {
    for mixin in mixins() {
        is_stopped_at_once(mixin);
    }
}

fn is_stopped_at_once(mixin: AnyMixIn) {
    let _alone = testkit::alone();
    // Far more than a second's worth of rests.
    let (server, told) = server(mixin, &[ENOMEM; 100]);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let _client = address.connect().unwrap();
    let server = server.spawn().unwrap();
    testkit::eventually("an error", || !told.lock().unwrap().is_empty());
    testkit::within_deadline({
        let handle = server.shutdown_handle();
        move || handle.shutdown()
    });
    server.stop(Some(DEADLINE)).unwrap();
}

/// A26, B27: what makes the socket useless ends the loop, with the error; the server is the
/// caller's to use or to close.
#[test]
fn an_error_of_the_socket_ends_the_loop() {
    for mixin in mixins() {
        the_loop_ends(mixin);
    }
}

fn the_loop_ends(mixin: AnyMixIn) {
    let _alone = testkit::alone();
    let (server, told) = server(mixin, &[EINVAL]);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut client = address.connect().unwrap();
    let error = server.serve_forever().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(told.lock().unwrap()[0].1, Some(AcceptAction::Stop));
    // A25: nothing of it is left for the next loop, nor for who would stop this one.
    assert!(!server.is_closed());
    server.shutdown();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        assert_eq!(client.read_to_end().unwrap(), b"hello");
        server.shutdown();
        serving.join().unwrap().unwrap();
    });
    assert!(server.server_close(None));
}

/// A26: a guard's owner gets it from `stop`.
#[test]
fn a_guard_gives_the_error_that_ended_its_loop() {
    for mixin in mixins() {
        the_guard_gives_the_error(mixin);
    }
}

fn the_guard_gives_the_error(mixin: AnyMixIn) {
    let _alone = testkit::alone();
    let (server, told) = server(mixin, &[EINVAL]);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let _client = address.connect().unwrap();
    let server = server.spawn().unwrap();
    testkit::eventually("the error", || !told.lock().unwrap().is_empty());
    let error = server.stop(Some(DEADLINE)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// B28: a panic of the transport's is told, and the next client is served.
#[test]
fn a_panic_in_get_request_is_told_and_passed_over() {
    for told in serves_after(&[Step::Panic]) {
        assert_eq!(told[0], ("panic in get_request".to_owned(), None));
    }
}

/// A35, A43: `handle_request` tells what came of it, and of the socket's end as an error.
#[test]
fn handle_request_tells_of_errors() {
    for mixin in mixins() {
        handle_request_tells(mixin);
    }
}

fn handle_request_tells(mixin: AnyMixIn) {
    let _alone = testkit::alone();
    let (server, _) = server(mixin, &[]);
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut client = address.connect().unwrap();
    let after = |step: Step| {
        server.transport().then(&[step]);
        server.handle_request().map_err(|error| error.kind())
    };
    assert_eq!(after(EAGAIN), Ok(Outcome::Nothing));
    assert_eq!(after(ECONNABORTED), Ok(Outcome::AcceptFailed));
    assert_eq!(after(ENOMEM), Ok(Outcome::AcceptFailed));
    assert_eq!(after(Step::Panic), Ok(Outcome::AcceptFailed));
    assert_eq!(after(EINVAL), Err(ErrorKind::InvalidInput));
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(client.read_to_end().unwrap(), b"hello");
    assert!(server.server_close(None));
}
