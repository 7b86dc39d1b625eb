//! Clients that go, that have no name, that say or read nothing.

use super::{HELLO, says_hello};
use crate::product::{Case, Script, script};
use crate::scenario::{Event, Step, Transport, Via};
use Event::{Line, Of, Over, Passes};
use Step::{Await, Connect, ConnectUnnamed, Leave, OpenGate, Read, ReadLine, Send};

/// Only TCP has resets that a client can choose to send.
pub(super) fn resettable(case: Case) -> Option<Case> {
    (case.transport == Transport::Tcp).then_some(case)
}

/// The client has gone before its request is taken.
pub(super) fn gone_before(case: Case, go: fn(char) -> Step) -> Option<Script> {
    script("", [says_hello('a'), vec![go('a')], case.start(1), vec![Await(Over(1))], case.stop(1)])
}

/// The client goes while its request is handled.
pub(super) fn gone_during(case: Case, go: fn(char) -> Step) -> Option<Script> {
    script(
        "handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), go('a'), OpenGate, Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// The client goes when it has its reply, and the server waits for more.
pub(super) fn gone_after(case: Case) -> Option<Script> {
    script(
        "handle=read_line,write,read_line",
        [
            says_hello('a'),
            case.start(1),
            vec![ReadLine('a'), Leave('a'), Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// A client with no address that a reply could go to.
pub(super) fn unnamed(case: Case, behaviour: &str) -> Option<Script> {
    if case.transport != Transport::Unixgram {
        return None;
    }
    script(
        behaviour,
        [
            vec![ConnectUnnamed('a'), Send('a', HELLO.to_vec())],
            case.start(1),
            vec![Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// The client sends nothing, and the handler has a limit.
pub(super) fn client_says_nothing(case: Case) -> Option<Script> {
    let case = case.stream()?;
    script(
        "handler_timeout=0.05",
        [
            vec![Connect('a')],
            case.start(1),
            vec![case.settle(1), Read('a'), Leave('a'), Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// The client reads nothing of a reply too long for the kernel to hold, and the handler has a
/// limit.
pub(super) fn client_never_reads(case: Case) -> Option<Script> {
    let case = case.stream()?;
    script(
        "handler_timeout=0.05 handle=read_line,fill:50000000",
        [says_hello('a'), case.start(1), vec![Await(Over(1)), Leave('a')], case.stop(1)],
    )
}

/// Nobody comes in time; then somebody is there already. `serve_forever` knows no time-out.
pub(super) fn times_out(case: Case, behaviour: &str) -> Option<Script> {
    match case.via {
        Via::HandleRequest => script(
            behaviour,
            [
                case.start(1),
                vec![Await(Line("handle_request.", 1))],
                says_hello('a'),
                case.start(1),
                vec![case.settle(1), Read('a'), Leave('a'), Await(Over(1))],
                case.stop(2),
            ],
        ),
        Via::ServeForever => {
            script("timeout=0.01", [case.start(1), vec![Await(Passes(4))], case.stop(1)])
        }
    }
}
