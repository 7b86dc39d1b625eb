//! The list of intended differences: where ours does something else than Python, and why.

/// One thing that ours does differently, wherever the patterns say, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Intended {
    /// Patterns of scenarios' names. Each scenario that matches one must show the difference.
    pub scenarios: &'static [&'static str],
    /// A pattern of the actor or the fact.
    pub at: &'static str,
    /// A pattern of what only Python does there.
    pub python: &'static str,
    /// A pattern of what only ours does there.
    pub ours: &'static str,
    /// The contract's number.
    pub number: &'static str,
    /// Why ours does it.
    pub why: &'static str,
}

/// Events of Python's that ours leaves out altogether wherever the patterns say, unless ours has
/// some there: then they are compared as all others.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// Patterns of scenarios' names; in at least one of them it must be left out.
    pub scenarios: &'static [&'static str],
    /// A pattern of the actor.
    pub at: &'static str,
    /// A pattern of the events.
    pub event: &'static str,
    /// The contract's number.
    pub number: &'static str,
    /// Why ours leaves it out.
    pub why: &'static str,
}

/// All events that are left out.
pub const LEFT_OUT: &[LeftOut] = &[LeftOut {
    scenarios: &["*/coroutine_epoll|coroutine_io_uring/*/serve_forever"],
    at: "accept loop",
    event: "process_request(*)",
    number: "A62",
    why: "each worker takes requests off the socket and runs them itself, so that none is handed \
          on; a server whose process_request is overridden does not, and it is called",
}];

/// All intended differences.
pub const INTENDED: &[Intended] = &[
    // Datagrams.
    Intended {
        scenarios: &["udp|unixgram/*/empty_request|no_reply"],
        at: "client a",
        python: "\"\"",
        ours: "no reply",
        number: "B21",
        why: "a handler that has written nothing sends nothing; Python sends an empty datagram",
    },
    Intended {
        scenarios: &[
            "udp|unixgram/*/handle_fails|handle_panics|handle_exits|handle_and_finish_fail",
            "udp|unixgram/*/handle_error_panics",
        ],
        at: "client a",
        python: "\"\"",
        ours: "no reply",
        number: "B21",
        why: "a handler that failed sends nothing; Python sends an empty datagram",
    },
    Intended {
        scenarios: &["udp|unixgram/*/partial_fails|partial_panics"],
        at: "client a",
        python: "\"partial\"",
        ours: "no reply",
        number: "B21",
        why: "a handler that failed sends nothing; Python sends the half of a reply",
    },
    Intended {
        scenarios: &["udp|unixgram/*/handle_error_replies"],
        at: "client a",
        python: "\"\" and \"sorry\\n\"",
        ours: "\"sorry\\n\"",
        number: "B21",
        why: "the reply of handle_error is the only one; Python sends an empty datagram before it",
    },
    Intended {
        scenarios: &["unixgram/*/client_unnamed_no_reply"],
        at: "accept loop|request 1",
        python: "handle_error:fault|handle_error:fault(1)",
        ours: "",
        number: "B21",
        why: "one-way messages from a client without an address are served without an error",
    },
    Intended {
        scenarios: &["unixgram/*/client_unnamed"],
        at: "accept loop|request 1",
        python: "handle_error:fault|handle_error:fault(1)",
        ours: "handle_error:ENOTCONN|handle_error:ENOTCONN(1)",
        number: "B21",
        why: "a reply to a client without an address fails as the kernel says; Python trips over None",
    },
    Intended {
        scenarios: &["udp|unixgram/*/oversized_request"],
        at: "accept loop|request 1",
        python: "read:8192|read:8192(1)",
        ours: "read:20000|read:20000(1)",
        number: "B22",
        why: "datagrams of any size are read whole by default; Python cuts them at 8 KiB, silently",
    },
    Intended {
        scenarios: &["udp|unixgram/*/oversized_request"],
        at: "client a",
        python: "8192 bytes (e3744dc574aca325)",
        ours: "20000 bytes (a9a45ebf3ceae5a5)",
        number: "B22",
        why: "datagrams of any size are read whole by default; Python cuts them at 8 KiB, silently",
    },
    // Unread input.
    Intended {
        scenarios: &["tcp/*/large_unread"],
        at: "client a",
        python: "part of a long reply, then reset",
        ours: "400000 bytes (9a28ab66e226d525), then end",
        number: "B24",
        why: "closing waits for a client that still has input unread, so that the reply is not cut",
    },
    Intended {
        scenarios: &["unix/*/large_unread"],
        at: "client a",
        python: "part of a long reply, then reset",
        ours: "100000 bytes (fd931f27c2d26fa5), then end",
        number: "B24",
        why: "closing waits for a client that still has input unread, so that it is not told of a reset",
    },
    Intended {
        scenarios: &[
            "unix/*/verify_false|setup_fails|setup_panics|finish_request_fails",
            "unix/*/finish_request_panics|process_request_fails|process_request_panics",
        ],
        at: "client a",
        python: "\"\", then reset",
        ours: "\"\", then end",
        number: "B24",
        why: "a client whose request was not read sees an orderly end, not a reset",
    },
    // Hooks that fail.
    Intended {
        scenarios: &["*/*/verify_panics"],
        at: "accept loop",
        python: "*.raised:fault",
        ours: "handle_error:fault(1) shutdown_request(1) close_request(1) *.returned",
        number: "B28",
        why: "a panic in verify_request refuses that one request; in Python it ends the loop",
    },
    Intended {
        scenarios: &["*/*/verify_panics"],
        at: "*.raised:fault, or request 1 over",
        python: "*.raised:fault",
        ours: "request 1 over",
        number: "B28",
        why: "a panic in verify_request refuses that one request; in Python it ends the loop",
    },
    Intended {
        scenarios: &["tcp|unix/*/verify_panics"],
        at: "client a",
        python: "\"\", then reset",
        ours: "\"\", then end",
        number: "B28",
        why: "a request whose verify_request panics is shut down; Python leaves it to the collector",
    },
    Intended {
        scenarios: &["*/*/get_request_panics|service_actions_panics"],
        at: "accept loop",
        python: "*.raised:fault",
        ours: "*.returned",
        number: "B28",
        why: "a panic in get_request or service_actions does not end the loop",
    },
    Intended {
        scenarios: &["*/*/service_actions_panics"],
        at: "serve_forever.raised:fault, or the loop goes on",
        python: "serve_forever.raised:fault",
        ours: "the loop goes on",
        number: "B28",
        why: "a panic in service_actions does not end the loop",
    },
    Intended {
        scenarios: &["*/*/handle_timeout_panics"],
        at: "accept loop",
        python: "handle_request.raised:fault",
        ours: "handle_request.returned",
        number: "B28",
        why: "a panic in handle_timeout is told to the observer, not thrown at the caller",
    },
    Intended {
        scenarios: &["*/synchronous/handle_error_panics"],
        at: "accept loop",
        python: "*.raised:fault",
        ours: "shutdown_request(1) close_request(1) *.returned",
        number: "A48, B28",
        why: "a panic in handle_error neither ends the loop nor leaks the request",
    },
    Intended {
        scenarios: &["*/synchronous/handle_error_panics"],
        at: "*.raised:fault, or request 1 over",
        python: "*.raised:fault",
        ours: "request 1 over",
        number: "A48, B28",
        why: "a panic in handle_error neither ends the loop nor leaks the request",
    },
    Intended {
        scenarios: &[
            "*/synchronous/shutdown_request_panics",
            "*/synchronous|forking/close_request_panics",
        ],
        at: "accept loop",
        python: "handle_error:fault(1) shutdown_request(1) close_request(1) *.raised:fault",
        ours: "*.returned",
        number: "B28",
        why: "a panic in shutdown_request or close_request ends neither loop nor request twice",
    },
    Intended {
        scenarios: &["*/*/process_request_panics"],
        at: "accept loop",
        python: "handle_error:fault(1)",
        ours: "",
        number: "A46",
        why: "a mix-in that panics had been given the request, which is closed and told to the \
              observer; one that returns an error gives it back, and handle_error is called",
    },
    Intended {
        scenarios: &["*/synchronous/handle_exits"],
        at: "accept loop",
        python: "*.raised:fault",
        ours: "handle_error:fault(1) *.returned",
        number: "A47",
        why: "there is no third kind of failure: a panic is an error of that one request",
    },
    Intended {
        scenarios: &["*/threading|forking|coroutine_*/handle_exits"],
        at: "request 1",
        python: "",
        ours: "handle_error:fault",
        number: "A63, A70",
        why: "there is no third kind of failure: a panic is an error of that one request",
    },
    // Coroutines, where what is written goes out together.
    Intended {
        scenarios: &[
            "tcp/coroutine_*/client_reset_before|client_reset_during",
            "unix/coroutine_*/client_gone_before|client_gone_during",
        ],
        at: "request 1",
        python: "handle_error:disconnected",
        ours: "",
        number: "A10, A87",
        why: "what a coroutine writes goes out when it waits or ends, and the end does not mind if \
              the client has gone, as in Python with a wbufsize",
    },
    // Shutting down.
    Intended {
        scenarios: &["*/*/shutdown_without_poll"],
        at: "shutdown.returned",
        python: "never came",
        ours: "came",
        number: "B1",
        why: "shutdown wakes the loop; in Python it waits for the next poll, here for ever",
    },
    Intended {
        scenarios: &["*/synchronous|forking/shutdown_from_handler"],
        at: "shutdown.returned(1)",
        python: "never came",
        ours: "came",
        number: "B2",
        why: "shutdown may be called on the serving thread and in a child; in Python it hangs",
    },
    Intended {
        scenarios: &["*/*/shutdown_between"],
        at: "serve_forever.returned x 2, or the loop goes on",
        python: "serve_forever.returned x 2",
        ours: "the loop goes on",
        number: "B3",
        why: "a shutdown when no loop runs any more is over; in Python it ends the next loop",
    },
    Intended {
        scenarios: &["*/forking/shutdown_full"],
        at: "shutdown.returned",
        python: "never came",
        ours: "came",
        number: "B16",
        why: "a loop with as many children as may run can be stopped; in Python it waits for one",
    },
    // What follows in ours where Python hangs.
    Intended {
        scenarios: &["*/*/shutdown_without_poll", "*/forking/shutdown_full"],
        at: "shutdown",
        python: "",
        ours: "shutdown.returned",
        number: "B1, B16",
        why: "shutdown returns",
    },
    Intended {
        scenarios: &[
            "*/*/shutdown_without_poll",
            "*/forking/shutdown_full",
            "*/forking/shutdown_from_handler",
        ],
        at: "accept loop",
        python: "",
        ours: "serve_forever.returned",
        number: "B1, B2, B16",
        why: "the loop ends",
    },
    Intended {
        scenarios: &[
            "*/*/shutdown_without_poll",
            "*/forking/shutdown_full",
            "*/synchronous|forking/shutdown_from_handler",
        ],
        at: "close",
        python: "",
        ours: "close server_close close.returned",
        number: "B1, B2, B16",
        why: "the server can then be closed",
    },
    Intended {
        scenarios: &["*/forking/shutdown_full"],
        at: "request 1",
        python: "",
        ours: "finish shutdown_request close_request",
        number: "B16",
        why: "the child goes on to its end",
    },
    Intended {
        scenarios: &["*/forking/shutdown_from_handler"],
        at: "request 1",
        python: "",
        ours: "shutdown.returned finish shutdown_request close_request",
        number: "B2",
        why: "the handler goes on to its end",
    },
    Intended {
        scenarios: &["*/synchronous/shutdown_from_handler"],
        at: "accept loop",
        python: "",
        ours: "shutdown.returned(1) finish(1) shutdown_request(1) close_request(1) \
               serve_forever.returned",
        number: "B2",
        why: "the handler goes on to its end, and the loop ends",
    },
    Intended {
        scenarios: &["*/forking/shutdown_full", "*/synchronous|forking/shutdown_from_handler"],
        at: "client a",
        python: "",
        ours: "\"hello\\n\"|\"hello\\n\", then end",
        number: "B2, B16",
        why: "the client has its reply",
    },
    // Making and closing.
    Intended {
        scenarios: &["*/*/close_idle|close_busy/serve_forever"],
        at: "serve_forever., or the loop goes on",
        python: "the loop goes on",
        ours: "serve_forever.",
        number: "B4",
        why: "closing the server ends its loop; in Python the loop spins",
    },
    Intended {
        scenarios: &["*/*/close_twice"],
        at: "close",
        python: "server_close",
        ours: "",
        number: "A18",
        why: "a server is closed once: a second server_close waits again, but calls no hook",
    },
    Intended {
        scenarios: &["tcp|unix/forking/close_busy/handle_request"],
        at: "client b connects",
        python: "connected",
        ours: "refused",
        number: "B17",
        why: "children give up the listening socket; in Python it takes clients nobody will serve",
    },
    Intended {
        scenarios: &["tcp/*/rebind"],
        at: "rebind",
        python: "rebind.raised:EADDRINUSE",
        ours: "rebind.returned",
        number: "B17, B30",
        why: "allow_reuse_address is on for TCP, and children give up the listening socket",
    },
    Intended {
        scenarios: &["unix|unixgram/*/rebind"],
        at: "rebind",
        python: "rebind.raised:EADDRINUSE",
        ours: "rebind.returned",
        number: "B34",
        why: "a path is removed when its server is closed",
    },
    Intended {
        scenarios: &["unix|unixgram/*/address_stale"],
        at: "main",
        python: "server_close constructor.raised:EADDRINUSE",
        ours: "server_activate",
        number: "B34",
        why: "a path that is a socket nobody answers is replaced",
    },
    Intended {
        scenarios: &["*/*/address_taken|server_activate_fails"],
        at: "main",
        python: "server_close",
        ours: "",
        number: "B37",
        why: "server_close is not called for a server that was never made; nothing is left open",
    },
    Intended {
        scenarios: &["unix/*/backlog"],
        at: "20 clients",
        python: "6 in the queue",
        ours: "20 in the queue",
        number: "B29",
        why: "request_queue_size is as large as the system allows, not 5",
    },
];
