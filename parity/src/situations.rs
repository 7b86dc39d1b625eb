//! What happens to a server: each situation is a function of the place in the product.

mod clients;
mod closing;
mod requests;
mod stopping;

use crate::product::{Case, Script, close, script};
use crate::scenario::{Event, Step};
use Event::Over;
use Step::{Await, Connect, First, Leave, Read, Reset, Send};

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
    ("several", requests::several),
    ("together", requests::together),
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
    ("service_actions_panics", stopping::service_actions_panics),
    // Requests of all sizes.
    ("empty_request", requests::empty_request),
    ("half_close", requests::half_close),
    ("large", requests::large),
    ("large_unread", requests::large_unread),
    ("oversized_request", requests::oversized_request),
    ("oversized_reply", requests::oversized_reply),
    // Clients that go, or have no name.
    ("client_gone_before", |case| clients::gone_before(case, Leave)),
    ("client_reset_before", |case| clients::gone_before(clients::resettable(case)?, Reset)),
    ("client_gone_during", |case| clients::gone_during(case, Leave)),
    ("client_reset_during", |case| clients::gone_during(clients::resettable(case)?, Reset)),
    ("client_gone_after", clients::gone_after),
    ("client_unnamed", |case| clients::unnamed(case, "")),
    ("client_unnamed_no_reply", |case| clients::unnamed(case, "handle=read_line")),
    // Time-outs.
    ("client_says_nothing", clients::client_says_nothing),
    ("client_never_reads", clients::client_never_reads),
    ("times_out", |case| clients::times_out(case, "timeout=0.03")),
    ("handle_timeout_panics", |case| {
        clients::times_out(case.once()?, "timeout=0.03 handle_timeout=panic")
    }),
    // Shutting down.
    ("shutdown_idle", stopping::shutdown_idle),
    ("shutdown_busy", stopping::shutdown_busy),
    ("shutdown_full", stopping::shutdown_full),
    ("shutdown_first", stopping::shutdown_first),
    ("shutdown_twice", stopping::shutdown_twice),
    ("shutdown_without_poll", stopping::shutdown_without_poll),
    ("shutdown_from_handler", stopping::shutdown_from_handler),
    ("shutdown_between", stopping::shutdown_between),
    ("restart", stopping::restart),
    // Making and closing.
    ("address_taken", |case| case.once().and(script("address=taken", []))),
    ("address_stale", |case| case.once()?.unix().and(script("address=stale", []))),
    ("server_activate_fails", |case| case.once().and(script("server_activate=fail", []))),
    ("backlog", closing::backlog),
    ("rebind", closing::rebind),
    ("close_unserved", |case| case.once().and(script("", [close()]))),
    ("close_twice", closing::close_twice),
    ("close_idle", closing::close_idle),
    ("close_waiting", closing::close_waiting),
    ("close_busy", closing::close_busy),
];

const HELLO: &[u8] = b"hello\n";

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
