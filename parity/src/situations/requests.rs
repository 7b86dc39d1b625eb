//! Requests: how many, how large.

use super::{exchange, says_hello};
use crate::product::{Case, Script, script};
use crate::scenario::{Event, Step, Transport};
use Event::{Line, Over};
use Step::{Await, Connect, HalfClose, Leave, OpenGate, Read, Send};

/// One client after the other.
pub(super) fn several(case: Case) -> Option<Script> {
    let one = |name, request| {
        let rest = [Await(Over(request)), Read(name), Leave(name)];
        says_hello(name).into_iter().chain(rest).collect()
    };
    script("", [case.start(3), one('a', 1), one('b', 2), one('c', 3), case.stop(3)])
}

/// Three clients who are all there before the first is served, and, where requests do not wait
/// for each other, are all handled at the same time.
pub(super) fn together(case: Case) -> Option<Script> {
    let (behaviour, gates) = if case.is_synchronous() {
        ("", vec![])
    } else {
        let all_there = Await(Line("~gate", 3));
        ("handle=read_line,gate,write", vec![all_there, OpenGate, OpenGate, OpenGate])
    };
    script(
        behaviour,
        [
            says_hello('a'),
            says_hello('b'),
            says_hello('c'),
            case.start(3),
            gates,
            vec![Await(Over(1)), Await(Over(2)), Await(Over(3)), Read('a'), Read('b'), Read('c')],
            case.stop(3),
        ],
    )
}

/// A connection that ends before a byte is sent, or a datagram of no bytes.
pub(super) fn empty_request(case: Case) -> Option<Script> {
    let nothing = if case.transport.is_stream() { HalfClose('a') } else { Send('a', vec![]) };
    script(
        "",
        [
            vec![Connect('a'), nothing],
            case.start(1),
            vec![Await(Over(1)), Read('a'), Leave('a')],
            case.stop(1),
        ],
    )
}

/// The client has said all that it will say, and still wants to hear.
pub(super) fn half_close(case: Case) -> Option<Script> {
    let case = case.stream()?;
    script(
        "handle=read_all,write",
        [
            says_hello('a'),
            vec![HalfClose('a')],
            case.start(1),
            vec![Await(Over(1)), Read('a'), Leave('a')],
            case.stop(1),
        ],
    )
}

/// As much as both servers take by default.
pub(super) fn large(case: Case) -> Option<Script> {
    let (size, wait) = if case.transport.is_stream() {
        // More than the kernel holds: the client must read while the server writes.
        (1 << 20, vec![])
    } else {
        (8000, vec![Await(Over(1))])
    };
    script(
        "handle=read_all,write",
        [
            vec![Connect('a')],
            case.start(1),
            vec![Send('a', vec![b'x'; size]), HalfClose('a')],
            wait,
            vec![Read('a'), Leave('a'), Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// A long reply to a client whose request is never read.
pub(super) fn large_unread(case: Case) -> Option<Script> {
    // As much as the kernel takes off the server's hands while the client reads nothing.
    let behaviour = match case.stream()?.transport {
        Transport::Tcp => "handle=fill:400000",
        _ => "handle=fill:100000",
    };
    exchange(case, behaviour)
}

/// A datagram longer than Python's default `max_packet_size`.
pub(super) fn oversized_request(case: Case) -> Option<Script> {
    let case = case.datagram()?;
    script(
        "",
        [
            vec![Connect('a'), Send('a', vec![b'x'; 20_000])],
            case.start(1),
            vec![Await(Over(1)), Read('a')],
            case.stop(1),
        ],
    )
}

/// A reply longer than any datagram may be.
pub(super) fn oversized_reply(case: Case) -> Option<Script> {
    let case = case.datagram()?;
    exchange(case, "handle=read_line,fill:300000")
}
