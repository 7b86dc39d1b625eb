//! Making servers and closing them.

use super::says_hello;
use crate::product::{Case, Script, close, script, shut_down};
use crate::scenario::{Event, Step, Transport, Via};
use Event::{Line, Of, Over, Passes};
use Step::{Await, Command, Crowd, First, Leave, OpenGate, Read, TryConnect};

/// How many clients may wait when nobody accepts.
pub(super) fn backlog(case: Case) -> Option<Script> {
    if case.transport != Transport::Unix {
        return None;
    }
    case.once().and(script("", [vec![Crowd(20)], close()]))
}

/// Another server takes the address of one that has just closed its socket, while a client of the
/// first is still connected.
pub(super) fn rebind(case: Case) -> Option<Script> {
    let case = case.once()?;
    script(
        "handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), Command("close"), Await(Line("~unbound", 1))],
            vec![Command("rebind"), Await(Line("rebind.", 1)), OpenGate],
            vec![Await(Over(1)), Read('a'), Leave('a'), Await(Line("close.", 1))],
            vec![Await(Line("handle_request.", 1))],
        ],
    )
}

/// `server_close` may be called again.
pub(super) fn close_twice(case: Case) -> Option<Script> {
    case.once().and(script("", [close(), vec![Command("close"), Await(Line("close.", 2))]]))
}

/// `server_close` under a loop that waits.
pub(super) fn close_idle(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "",
        [
            case.start(1),
            vec![Await(Passes(1))],
            close(),
            vec![First(Line("serve_forever.", 1), Passes(5))],
            shut_down(1),
        ],
    )
}

/// `server_close` under a `handle_request` that waits: it ends, or it serves nobody any more.
pub(super) fn close_waiting(case: Case) -> Option<Script> {
    let case = case.once()?;
    script(
        "timeout=0.1 trace=select",
        [
            case.start(1),
            vec![Await(Line("~select", 1))],
            close(),
            vec![Await(Line("handle_request.", 1))],
        ],
    )
}

/// `server_close` while a request is handled; another client comes too late.
pub(super) fn close_busy(case: Case) -> Option<Script> {
    // A loop that waits for the socket keeps it a little longer.
    let late = match case.via {
        Via::HandleRequest if case.transport.is_stream() => vec![TryConnect('b')],
        _ => vec![],
    };
    let after = match case.via {
        Via::HandleRequest => vec![Await(Line("handle_request.", 1))],
        Via::ServeForever => {
            let mut steps = vec![First(Line("serve_forever.", 1), Passes(5))];
            steps.extend(shut_down(1));
            steps
        }
    };
    script(
        "handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), Command("close"), Await(Line("~unbound", 1))],
            late,
            vec![OpenGate],
            vec![Await(Over(1)), Read('a'), Leave('a'), Await(Line("close.", 1))],
            after,
        ],
    )
}
