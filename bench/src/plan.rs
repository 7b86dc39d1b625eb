//! What is run, what is compared with what, and which figures are wanted.

use std::fmt;

use crate::cpu::Placement::{self, Apart, Everywhere, Two};
use crate::load::{Load, Pattern};

/// One load, and the servers that it is put on.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the clients do, for the title of a plot.
    pub(crate) title: &'static str,
    pub(crate) load: Load,
    pub(crate) placement: Placement,
    /// Whether the peers turn Nagle's algorithm off.
    pub(crate) no_delay: bool,
    /// How many requests a server gets before it is another one's turn: some 20 ms of work.
    pub(crate) requests: usize,
    /// How many turns each server has in a repetition.
    pub(crate) slices: usize,
    pub(crate) servers: &'static [&'static str],
    pub(crate) comparisons: &'static [Comparison],
}

/// A figure of ours, and what it is compared with.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) ours: &'static str,
    /// The server by whose CPU time per request that of ours is divided; without one, it is the
    /// microseconds themselves that are looked at.
    pub(crate) peer: Option<&'static str>,
    /// What is wanted of the median; without it, the figure is only shown.
    pub(crate) target: Option<Target>,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    Below(f64),
}

impl Target {
    pub(crate) fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(limit) => figure <= limit,
            Self::Below(limit) => figure < limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::Below(limit) => write!(f, "< {limit}"),
        }
    }
}

/// So many silent connections, and what each costs in memory.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) servers: &'static [&'static str],
    /// Which of ours must not take more bytes for a connection than this.
    pub(crate) targets: &'static [(&'static str, f64)],
}

/// How long `shutdown()` takes while so many connections are silent.
#[derive(Debug)]
pub(crate) struct Shutdown {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) servers: &'static [&'static str],
    /// The longest that `shutdown()` of ours may take, in milliseconds.
    pub(crate) target_ms: f64,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "echo-1",
        title: "Echo, 1 connection",
        load: echo(1, 1),
        placement: Apart,
        no_delay: false,
        requests: 1_000,
        slices: 25,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-loop",
            "tcp",
            "std-thread",
            "threading",
            "tokio",
            "go",
            "cpython-tcp",
            "cpython-threading",
        ],
        comparisons: &[
            to_beat("tcp", "std-loop", 1.05),
            to_beat("threading", "std-thread", 1.05),
            to_see("tcp", "cpython-tcp"),
            to_see("threading", "cpython-threading"),
        ],
    },
    Case {
        name: "echo-64",
        title: "Echo, 64 connections",
        load: echo(64, 1),
        placement: Apart,
        no_delay: false,
        requests: 2_000,
        slices: 25,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-thread",
            "threading",
            "tokio",
            "monoio",
            "may",
            "smol",
            "go",
            "gevent",
            "cpython-threading",
        ],
        comparisons: &[
            to_beat("coroutine-io_uring", "epoll-loop", 1.00),
            to_beat("coroutine-epoll", "epoll-loop", 1.08),
            to_beat("threading", "std-thread", 1.05),
            to_see("threading", "cpython-threading"),
            to_see("tokio", "epoll-loop"),
            to_see("go", "epoll-loop"),
        ],
    },
    Case {
        name: "echo-1000",
        title: "Echo, 1000 connections",
        load: echo(1_000, 1),
        placement: Apart,
        no_delay: false,
        requests: 4_000,
        slices: 15,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-thread",
            "threading",
            "tokio",
            "monoio",
            "may",
            "smol",
            "go",
            "gevent",
            "cpython-threading",
        ],
        comparisons: &[
            to_beat("coroutine-io_uring", "epoll-loop", 1.00),
            to_beat("coroutine-epoll", "epoll-loop", 1.08),
            to_see("tokio", "epoll-loop"),
            to_see("go", "epoll-loop"),
        ],
    },
    Case {
        name: "echo-10000",
        title: "Echo, 10,000 connections",
        load: echo(10_000, 1),
        placement: Apart,
        no_delay: false,
        requests: 20_000,
        slices: 4,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-thread",
            "tokio",
            "monoio",
            "may",
            "smol",
            "go",
            "gevent",
        ],
        comparisons: &[
            to_beat("coroutine-io_uring", "epoll-loop", 1.00),
            to_beat("coroutine-epoll", "epoll-loop", 1.08),
            to_see("tokio", "epoll-loop"),
            to_see("go", "epoll-loop"),
        ],
    },
    Case {
        name: "pipelined",
        title: "64 connections, 16 lines in one write",
        load: echo(64, 16),
        placement: Apart,
        no_delay: true,
        requests: 16_384,
        slices: 20,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-thread",
            "threading",
            "tokio",
            "monoio",
            "may",
            "smol",
            "go",
            "gevent",
            "cpython-threading",
        ],
        comparisons: &[
            at_most("coroutine-io_uring", 0.45),
            at_most("coroutine-epoll", 0.45),
            to_beat("coroutine-io_uring", "tokio", 0.1),
            to_beat("coroutine-epoll", "tokio", 0.1),
            to_see("coroutine-io_uring", "epoll-loop"),
            to_see("coroutine-epoll", "epoll-loop"),
            to_see("tokio", "epoll-loop"),
        ],
    },
    Case {
        name: "line-1",
        title: "Connect, one line, close: 1 client",
        load: Load::Line { clients: 1 },
        placement: Apart,
        no_delay: false,
        requests: 250,
        slices: 25,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "std-loop",
            "tcp",
            "std-thread",
            "threading",
            "tokio",
            "go",
            "cpython-tcp",
            "cpython-threading",
        ],
        comparisons: &[
            to_see("coroutine-io_uring", "epoll-loop"),
            to_see("coroutine-epoll", "epoll-loop"),
            to_see("tcp", "std-loop"),
            to_beat("threading", "std-thread", 0.6),
            to_beat("threading", "cpython-threading", 0.25),
            to_see("tcp", "cpython-tcp"),
        ],
    },
    Case {
        name: "line-8",
        title: "Connect, one line, close: 8 clients",
        load: Load::Line { clients: 8 },
        placement: Apart,
        no_delay: false,
        requests: 250,
        slices: 25,
        servers: LINE_SERVERS,
        comparisons: LINES,
    },
    Case {
        name: "line-64",
        title: "Connect, one line, close: 64 clients",
        load: Load::Line { clients: 64 },
        placement: Apart,
        no_delay: false,
        requests: 320,
        slices: 25,
        servers: LINE_SERVERS,
        comparisons: LINES,
    },
    Case {
        name: "line-1-all",
        title: "Connect, one line, close: 1 client, all cores",
        load: Load::Line { clients: 1 },
        placement: Everywhere,
        no_delay: false,
        requests: 250,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: THREADS_ON_LINES,
    },
    Case {
        name: "line-8-all",
        title: "Connect, one line, close: 8 clients, all cores",
        load: Load::Line { clients: 8 },
        placement: Everywhere,
        no_delay: false,
        requests: 250,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: THREADS_ON_LINES,
    },
    Case {
        name: "fork-1",
        title: "A process for each connection: 1 client",
        load: Load::Line { clients: 1 },
        placement: Apart,
        no_delay: false,
        requests: 100,
        slices: 25,
        servers: &["fork-loop", "forking", "cpython-forking"],
        comparisons: &[to_beat("forking", "fork-loop", 1.10), to_see("forking", "cpython-forking")],
    },
    Case {
        name: "fork-8",
        title: "A process for each connection: 8 clients",
        load: Load::Line { clients: 8 },
        placement: Apart,
        no_delay: false,
        requests: 100,
        slices: 25,
        servers: &["fork-loop", "forking"],
        comparisons: &[to_beat("forking", "fork-loop", 1.10)],
    },
    Case {
        name: "workers-64",
        title: "Echo, 64 connections: two workers beside one",
        load: echo(64, 1),
        placement: Two,
        no_delay: false,
        requests: 2_000,
        slices: 25,
        servers: WORKER_SERVERS,
        comparisons: WORKERS,
    },
    Case {
        name: "workers-1000",
        title: "Echo, 1000 connections: two workers beside one",
        load: echo(1_000, 1),
        placement: Two,
        no_delay: false,
        requests: 4_000,
        slices: 15,
        servers: WORKER_SERVERS,
        comparisons: WORKERS,
    },
    Case {
        name: "udp-single",
        title: "UDP: 64 peers, one datagram each",
        load: Load::Udp(Pattern::Single),
        placement: Apart,
        no_delay: false,
        requests: 2_000,
        slices: 25,
        servers: UDP_SERVERS,
        comparisons: &[
            to_beat("coroutine-udp", "tokio-udp", 0.85),
            to_see("coroutine-udp", "by-hand-udp"),
            to_see("tokio-udp", "by-hand-udp"),
        ],
    },
    Case {
        name: "udp-batch",
        title: "UDP: 8 peers, 16 datagrams each at once",
        load: Load::Udp(Pattern::Batch),
        placement: Apart,
        no_delay: false,
        requests: 2_048,
        slices: 25,
        servers: UDP_SERVERS,
        comparisons: &[
            to_beat("coroutine-udp", "tokio-udp", 0.85),
            to_see("coroutine-udp", "by-hand-udp"),
            to_see("tokio-udp", "by-hand-udp"),
        ],
    },
    Case {
        name: "udp-train",
        title: "UDP: one peer, trains of 16 to 64 datagrams",
        load: Load::Udp(Pattern::Train),
        placement: Apart,
        no_delay: false,
        requests: 3_680,
        slices: 25,
        servers: UDP_SERVERS,
        comparisons: &[
            at_most("coroutine-udp", 1.2),
            to_see("coroutine-udp", "by-hand-udp"),
            to_see("tokio-udp", "by-hand-udp"),
        ],
    },
];

const LINE_SERVERS: &[&str] = &[
    "epoll-loop",
    "uring-loop",
    "coroutine-io_uring",
    "coroutine-epoll",
    "std-thread",
    "threading",
    "tokio",
    "monoio",
    "may",
    "smol",
    "go",
    "gevent",
    "cpython-threading",
];

const LINES: &[Comparison] = &[
    to_beat("coroutine-io_uring", "epoll-loop", 1.00),
    to_beat("coroutine-epoll", "epoll-loop", 1.08),
    to_beat("threading", "std-thread", 0.6),
    to_beat("threading", "cpython-threading", 0.25),
    to_see("tokio", "epoll-loop"),
];

const THREADS_ON_LINES: &[Comparison] =
    &[to_beat("threading", "std-thread", 0.6), to_beat("threading", "cpython-threading", 0.25)];

const WORKER_SERVERS: &[&str] =
    &["coroutine", "coroutine-2", "tokio", "tokio-2", "may", "may-2", "go", "go-2"];

const WORKERS: &[Comparison] = &[
    to_beat("coroutine-2", "coroutine", 1.10),
    to_see("tokio-2", "tokio"),
    to_see("may-2", "may"),
    to_see("go-2", "go"),
];

const UDP_SERVERS: &[&str] =
    &["by-hand-udp", "std-udp", "udp", "coroutine-udp", "tokio-udp", "go-udp", "cpython-udp"];

pub(crate) const IDLE: &[Idle] = &[
    Idle {
        name: "idle-10000",
        connections: 10_000,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "coroutine-hibernate",
            "std-thread",
            "tokio",
            "monoio",
            "may",
            "smol",
            "go",
            "gevent",
        ],
        targets: &[],
    },
    Idle {
        name: "idle-100000",
        connections: 100_000,
        servers: &[
            "epoll-loop",
            "uring-loop",
            "coroutine-io_uring",
            "coroutine-epoll",
            "coroutine-hibernate",
            "tokio",
            "monoio",
            "go",
        ],
        targets: &[
            ("coroutine-epoll", 4_400.0),
            ("coroutine-io_uring", 4_400.0),
            ("coroutine-hibernate", 1_700.0),
        ],
    },
];

pub(crate) const SHUTDOWNS: &[Shutdown] = &[
    Shutdown {
        name: "shutdown-idle",
        connections: 0,
        servers: &["tcp", "threading", "forking", "coroutine", "cpython-tcp", "cpython-threading"],
        target_ms: 5.0,
    },
    Shutdown {
        name: "shutdown-10000",
        connections: 10_000,
        servers: &["coroutine-io_uring", "coroutine-epoll"],
        target_ms: 20.0,
    },
];

/// Whether `--only word` means this: by its whole name, or by its first part.
pub(crate) fn is_meant_by(name: &str, word: &str) -> bool {
    name == word || name.split('-').next() == Some(word)
}

const fn echo(connections: usize, depth: usize) -> Load {
    Load::Echo { connections, depth }
}

pub(crate) const fn to_beat(ours: &'static str, peer: &'static str, target: f64) -> Comparison {
    Comparison { ours, peer: Some(peer), target: Some(Target::AtMost(target)) }
}

const fn at_most(ours: &'static str, us: f64) -> Comparison {
    Comparison { ours, peer: None, target: Some(Target::AtMost(us)) }
}

pub(crate) const fn to_see(ours: &'static str, peer: &'static str) -> Comparison {
    Comparison { ours, peer: Some(peer), target: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers;

    #[test]
    fn every_name_of_the_plan_is_known_and_takes_part() {
        for case in CASES {
            for name in case.servers {
                assert!(servers::find(name).is_some(), "{}: {name}", case.name);
            }
            for comparison in case.comparisons {
                for name in [Some(comparison.ours), comparison.peer].into_iter().flatten() {
                    assert!(case.servers.contains(&name), "{}: {name}", case.name);
                }
            }
        }
        for idle in IDLE {
            assert!(idle.servers.iter().all(|name| servers::find(name).is_some()), "{}", idle.name);
            assert!(idle.targets.iter().all(|(name, _)| idle.servers.contains(name)));
        }
        for shutdown in SHUTDOWNS {
            assert!(shutdown.servers.iter().all(|name| servers::find(name).is_some()));
        }
    }
}
