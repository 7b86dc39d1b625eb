//! Loops: what stops them, and what does not.

use super::says_hello;
use crate::product::{Case, Script, close, script, shut_down};
use crate::scenario::{Event, MixIn, Step};
use Event::{Line, Of, Over, Passes};
use Step::{Await, Command, First, Leave, OpenGate, Order, Probe, Read};

/// How long Python is waited for, in milliseconds, where it is known to hang.
const HANGS: u64 = 500;
/// And where it is not.
const ANSWERS: u64 = 15_000;

/// `service_actions` fails after a request.
pub(super) fn service_actions_panics(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "service_actions=panic",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Over(1)), Read('a'), Leave('a'), First(case.raised(), Passes(3))],
            case.stop(1),
        ],
    )
}

/// A client that comes after `shutdown` is left to the kernel, and lost when the server closes.
pub(super) fn shutdown_idle(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "",
        [
            case.start(1),
            vec![Await(Passes(1))],
            shut_down(1),
            says_hello('a'),
            close(),
            vec![Read('a')],
        ],
    )
}

/// `shutdown` waits for the loop, so for the request that the loop itself handles, and for no
/// other.
pub(super) fn shutdown_busy(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    let asked = if case.is_synchronous() { "shutdown" } else { "shutdown.returned" };
    script(
        "handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), Command("shutdown"), Await(Line(asked, 1)), OpenGate],
            vec![Await(Over(1)), Read('a'), Leave('a')],
            vec![Await(Line("serve_forever.", 1)), Order(Over(1), Line("shutdown.returned", 1))],
            close(),
        ],
    )
}

/// `shutdown` while as many children run as may.
pub(super) fn shutdown_full(case: Case) -> Option<Script> {
    let case = case.forking()?.serve_forever()?;
    script(
        "max_children=1 handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), Command("shutdown"), Await(Line("shutdown", 1))],
            vec![Probe { event: Line("shutdown.returned", 1), patience: HANGS }],
            vec![OpenGate, Await(Over(1)), Read('a'), Leave('a')],
            vec![Await(Line("serve_forever.", 1))],
            close(),
        ],
    )
}

/// A `shutdown` that comes before the loop is not lost.
pub(super) fn shutdown_first(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "",
        [
            vec![Command("shutdown"), Await(Line("shutdown", 1))],
            case.start(1),
            vec![Await(Line("serve_forever.", 1)), Await(Line("shutdown.returned", 1))],
            close(),
        ],
    )
}

/// Several callers of `shutdown`, who all wait, all return.
pub(super) fn shutdown_twice(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    if !case.is_synchronous() {
        return None;
    }
    script(
        "handle=read_line,gate,write",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "~gate")), Command("shutdown"), Command("shutdown")],
            vec![Await(Line("shutdown", 2)), OpenGate, Await(Over(1)), Read('a'), Leave('a')],
            vec![Await(Line("shutdown.returned", 2)), Await(Line("serve_forever.", 1))],
            close(),
        ],
    )
}

/// `shutdown` of a loop that never wakes up of itself.
pub(super) fn shutdown_without_poll(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "poll=none trace=select",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Over(1)), Await(Line("~select", 2)), Command("shutdown")],
            vec![Probe { event: Line("shutdown.returned", 1), patience: HANGS }],
            vec![Await(Line("serve_forever.", 1))],
            close(),
        ],
    )
}

/// A handler that stops its own server.
pub(super) fn shutdown_from_handler(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    let patience = match case.mixin.of_python() {
        MixIn::Threading => ANSWERS,
        _ => HANGS,
    };
    script(
        "handle=read_line,write,shutdown",
        [
            says_hello('a'),
            case.start(1),
            vec![Await(Of(1, "shutdown"))],
            vec![Probe { event: Of(1, "shutdown.returned"), patience }],
            vec![Await(Over(1)), Read('a'), Leave('a'), Await(Line("serve_forever.", 1))],
            close(),
        ],
    )
}

/// `shutdown` when a loop has ended: it leaves nothing behind for the next one.
pub(super) fn shutdown_between(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "",
        [
            case.start(1),
            vec![Await(Passes(1))],
            shut_down(1),
            vec![Command("shutdown"), Await(Line("shutdown.returned", 2))],
            case.start(1),
            vec![First(Line("serve_forever.returned", 2), Passes(2))],
            vec![Command("shutdown"), Await(Line("shutdown.returned", 3))],
            vec![Await(Line("serve_forever.returned", 2))],
            close(),
        ],
    )
}

/// The same server serves again, and the client that came in between.
pub(super) fn restart(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    script(
        "",
        [
            case.start(1),
            vec![Await(Passes(1))],
            shut_down(1),
            says_hello('a'),
            case.start(1),
            vec![Await(Over(1)), Read('a'), Leave('a')],
            shut_down(2),
            close(),
        ],
    )
}
