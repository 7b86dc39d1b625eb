//! What happens to a server: each situation is a function of the place in the product.

use crate::product::{Case, Script, close, script, shut_down};
use crate::scenario::{Event, Step, Transport, Via};
use Event::{Line, Of, Over, Passes};
use Step::{
    Await, Command, Connect, ConnectUnnamed, Crowd, First, HalfClose, Leave, OpenGate, Order,
    Probe, Read, ReadLine, Reset, Send, TryConnect,
};

/// `None` where a situation makes no sense.
pub(crate) type Situation = fn(Case) -> Option<Script>;

/// All of them.
pub(crate) const SITUATIONS: [(&str, Situation); 70] = [
    ("normal", |case| exchange(case, "")),
    ("raw", |case| exchange(case, "handler=raw handle=recv,send")),
    ("raw_fails", |case| exchange(case, "handler=raw handle=recv,send,fail")),
    ("client_address", |case| exchange(case, "handle=peer,read_line,write")),
    ("buffered", |case| exchange(case.stream()?, "wbufsize=4096")),
    ("no_reply", |case| exchange(case, "handle=read_line")),
    ("several", several),
    ("together", together),
    // Handlers that fail.
    ("setup_fails", |case| exchange(case, "setup=fail")),
    ("setup_panics", |case| exchange(case, "setup=panic")),
    ("handle_fails", |case| exchange(case, "handle=read_line,fail")),
    ("handle_panics", |case| exchange(case, "handle=read_line,panic")),
    ("handle_exits", |case| exchange(case, "handle=read_line,exit")),
    ("finish_fails", |case| exchange(case, "finish=default,fail")),
    ("finish_panics", |case| exchange(case, "finish=default,panic")),
    ("finish_fails_first", |case| exchange(case, "finish=fail,default")),
    ("handle_and_finish_fail", |case| exchange(case, "handle=read_line,fail finish=default,fail")),
    ("partial_fails", |case| exchange(case, "handle=read_line,partial,fail")),
    ("partial_panics", |case| exchange(case, "handle=read_line,partial,panic")),
    ("buffered_partial_fails", |case| {
        exchange(case.stream()?, "wbufsize=4096 handle=read_line,partial,fail")
    }),
    ("buffered_partial_panics", |case| {
        exchange(case.stream()?, "wbufsize=4096 handle=read_line,partial,panic")
    }),
    // Hooks that decide otherwise, or fail.
    ("verify_false", |case| exchange(case, "verify_request=false")),
    ("verify_panics", |case| exchange_that_may_end_the_loop(case, "verify_request=panic")),
    ("get_request_fails", |case| exchange(case, "get_request=abort")),
    ("get_request_panics", |case| exchange(case, "get_request=panic")),
    ("process_request_fails", |case| exchange(case, "process_request=fail")),
    ("process_request_panics", |case| exchange(case, "process_request=panic")),
    ("finish_request_fails", |case| exchange(case, "finish_request=fail")),
    ("finish_request_panics", |case| exchange(case, "finish_request=panic")),
    ("shutdown_request_panics", |case| exchange(case, "shutdown_request=panic")),
    ("close_request_panics", |case| exchange(case, "close_request=panic")),
    ("handle_error_panics", |case| {
        exchange_that_may_end_the_loop(case, "handle=read_line,fail handle_error=panic")
    }),
    ("handle_error_replies", |case| exchange(case, "handle=read_line,fail handle_error=reply")),
    ("service_actions_panics", service_actions_panics),
    // Requests of all sizes.
    ("empty_request", empty_request),
    ("half_close", half_close),
    ("large", large),
    ("large_unread", large_unread),
    ("oversized_request", oversized_request),
    ("oversized_reply", oversized_reply),
    // Clients that go, or have no name.
    ("client_gone_before", |case| gone_before(case, Leave)),
    ("client_reset_before", |case| gone_before(resettable(case)?, Reset)),
    ("client_gone_during", |case| gone_during(case, Leave)),
    ("client_reset_during", |case| gone_during(resettable(case)?, Reset)),
    ("client_gone_after", gone_after),
    ("client_unnamed", |case| unnamed(case, "")),
    ("client_unnamed_no_reply", |case| unnamed(case, "handle=read_line")),
    // Time-outs.
    ("client_says_nothing", client_says_nothing),
    ("client_never_reads", client_never_reads),
    ("times_out", |case| times_out(case, "timeout=0.03")),
    ("handle_timeout_panics", |case| times_out(case.once()?, "timeout=0.03 handle_timeout=panic")),
    // Shutting down.
    ("shutdown_idle", shutdown_idle),
    ("shutdown_busy", shutdown_busy),
    ("shutdown_full", shutdown_full),
    ("shutdown_first", shutdown_first),
    ("shutdown_twice", shutdown_twice),
    ("shutdown_without_poll", shutdown_without_poll),
    ("shutdown_from_handler", shutdown_from_handler),
    ("shutdown_between", shutdown_between),
    ("restart", restart),
    // Making and closing.
    ("address_taken", |case| case.once().and(script("address=taken", []))),
    ("address_stale", |case| case.once()?.unix().and(script("address=stale", []))),
    ("server_activate_fails", |case| case.once().and(script("server_activate=fail", []))),
    ("backlog", backlog),
    ("rebind", rebind),
    ("close_unserved", |case| case.once().and(script("", [close()]))),
    ("close_twice", close_twice),
    ("close_idle", close_idle),
    ("close_waiting", close_waiting),
    ("close_busy", close_busy),
];

const HELLO: &[u8] = b"hello\n";
/// How long Python is waited for, in milliseconds, where it is known to hang.
const HANGS: u64 = 500;
/// And where it is not.
const ANSWERS: u64 = 15_000;

/// A client that sends a line: by the time the server sees it, all of the request is there.
fn says_hello(name: char) -> Vec<Step> {
    vec![Connect(name), Send(name, HELLO.to_vec())]
}

/// One request and what comes back.
fn exchange(case: Case, behaviour: &str) -> Option<Script> {
    script(
        behaviour,
        [
            says_hello('a'),
            case.start(1),
            vec![case.settle(1), Read('a'), Leave('a'), Await(Over(1))],
            case.stop(1),
        ],
    )
}

/// One request that the server may leave lying, because the loop itself fails.
fn exchange_that_may_end_the_loop(case: Case, behaviour: &str) -> Option<Script> {
    script(
        behaviour,
        [
            says_hello('a'),
            case.start(1),
            vec![First(case.raised(), Over(1)), Read('a'), Leave('a')],
            case.stop(1),
        ],
    )
}

/// One client after the other.
fn several(case: Case) -> Option<Script> {
    let one = |name, request| {
        let rest = [Await(Over(request)), Read(name), Leave(name)];
        says_hello(name).into_iter().chain(rest).collect()
    };
    script("", [case.start(3), one('a', 1), one('b', 2), one('c', 3), case.stop(3)])
}

/// Three clients who are all there before the first is served, and, where requests do not wait
/// for each other, are all handled at the same time.
fn together(case: Case) -> Option<Script> {
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
fn empty_request(case: Case) -> Option<Script> {
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
fn half_close(case: Case) -> Option<Script> {
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
fn large(case: Case) -> Option<Script> {
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
fn large_unread(case: Case) -> Option<Script> {
    // As much as the kernel takes off the server's hands while the client reads nothing.
    let behaviour = match case.stream()?.transport {
        Transport::Tcp => "handle=fill:400000",
        _ => "handle=fill:100000",
    };
    exchange(case, behaviour)
}

/// A datagram longer than Python's default `max_packet_size`.
fn oversized_request(case: Case) -> Option<Script> {
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
fn oversized_reply(case: Case) -> Option<Script> {
    let case = case.datagram()?;
    exchange(case, "handle=read_line,fill:300000")
}

/// Only TCP has resets that a client can choose to send.
fn resettable(case: Case) -> Option<Case> {
    (case.transport == Transport::Tcp).then_some(case)
}

/// The client has gone before its request is taken.
fn gone_before(case: Case, go: fn(char) -> Step) -> Option<Script> {
    script("", [says_hello('a'), vec![go('a')], case.start(1), vec![Await(Over(1))], case.stop(1)])
}

/// The client goes while its request is handled.
fn gone_during(case: Case, go: fn(char) -> Step) -> Option<Script> {
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
fn gone_after(case: Case) -> Option<Script> {
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
fn unnamed(case: Case, behaviour: &str) -> Option<Script> {
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
fn client_says_nothing(case: Case) -> Option<Script> {
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
fn client_never_reads(case: Case) -> Option<Script> {
    let case = case.stream()?;
    script(
        "handler_timeout=0.05 handle=read_line,fill:50000000",
        [says_hello('a'), case.start(1), vec![Await(Over(1)), Leave('a')], case.stop(1)],
    )
}

/// Nobody comes in time; then somebody is there already. `serve_forever` knows no time-out.
fn times_out(case: Case, behaviour: &str) -> Option<Script> {
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

/// A client that comes after `shutdown` is left to the kernel, and lost when the server closes.
fn shutdown_idle(case: Case) -> Option<Script> {
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
fn shutdown_busy(case: Case) -> Option<Script> {
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
fn shutdown_full(case: Case) -> Option<Script> {
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

/// Several callers of `shutdown`, who all wait, all return.
fn shutdown_twice(case: Case) -> Option<Script> {
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

/// `shutdown` when a loop has ended: it leaves nothing behind for the next one.
fn shutdown_between(case: Case) -> Option<Script> {
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

/// A `shutdown` that comes before the loop is not lost.
fn shutdown_first(case: Case) -> Option<Script> {
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

/// `shutdown` of a loop that never wakes up of itself.
fn shutdown_without_poll(case: Case) -> Option<Script> {
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
fn shutdown_from_handler(case: Case) -> Option<Script> {
    let case = case.serve_forever()?;
    let patience = match case.mixin {
        crate::scenario::MixIn::Threading => ANSWERS,
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

/// The same server serves again, and the client that came in between.
fn restart(case: Case) -> Option<Script> {
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

/// `service_actions` fails after a request.
fn service_actions_panics(case: Case) -> Option<Script> {
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

/// How many clients may wait when nobody accepts.
fn backlog(case: Case) -> Option<Script> {
    if case.transport != Transport::Unix {
        return None;
    }
    case.once().and(script("", [vec![Crowd(20)], close()]))
}

/// Another server takes the address of one that has just closed its socket, while a client of the
/// first is still connected.
fn rebind(case: Case) -> Option<Script> {
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
fn close_twice(case: Case) -> Option<Script> {
    case.once().and(script("", [close(), vec![Command("close"), Await(Line("close.", 2))]]))
}

/// `server_close` under a `handle_request` that waits: it ends, or it serves nobody any more.
fn close_waiting(case: Case) -> Option<Script> {
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

/// `server_close` under a loop that waits.
fn close_idle(case: Case) -> Option<Script> {
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

/// `server_close` while a request is handled; another client comes too late.
fn close_busy(case: Case) -> Option<Script> {
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
