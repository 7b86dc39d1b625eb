//! What is run, what is compared with what, and which ratios are wanted.

use crate::cpu::Placement::{self, Apart, Everywhere};
use crate::load::Load;

/// One load, and the servers that it is put on.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) placement: Placement,
    /// How many requests a server gets before it is another one's turn: some 20 ms of work.
    pub(crate) requests: usize,
    /// How many turns each server has in a repetition.
    pub(crate) slices: usize,
    pub(crate) servers: &'static [&'static str],
    pub(crate) comparisons: &'static [Comparison],
}

impl Case {
    /// Whether `--only word` means this case: by its whole name, or by its first part.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        is_meant_by(self.name, word)
    }
}

/// A ratio of CPU time per request: ours over the peer's.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) ours: &'static str,
    pub(crate) peer: &'static str,
    /// The ratio that the median must not exceed; without one, the ratio is only shown.
    pub(crate) target: Option<f64>,
}

/// Servers whose `shutdown()` is timed while they are idle.
pub(crate) const SHUTDOWN: &[&str] =
    &["tcp", "threading", "forking", "cpython-tcp", "cpython-threading"];

/// The longest that `shutdown()` of ours may take, in milliseconds.
pub(crate) const SHUTDOWN_TARGET_MS: f64 = 5.0;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "echo-1",
        load: Load::Echo { connections: 1 },
        placement: Apart,
        requests: 1_000,
        slices: 25,
        servers: &[
            "std-loop",
            "tcp",
            "std-thread",
            "threading",
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
        load: Load::Echo { connections: 64 },
        placement: Apart,
        requests: 2_000,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: &[
            to_beat("threading", "std-thread", 1.05),
            to_see("threading", "cpython-threading"),
        ],
    },
    Case {
        name: "line-1",
        load: Load::Line { clients: 1 },
        placement: Apart,
        requests: 250,
        slices: 25,
        servers: &[
            "std-loop",
            "tcp",
            "std-thread",
            "threading",
            "cpython-tcp",
            "cpython-threading",
        ],
        comparisons: &[
            to_see("tcp", "std-loop"),
            to_beat("threading", "std-thread", 0.6),
            to_beat("threading", "cpython-threading", 0.25),
            to_see("tcp", "cpython-tcp"),
        ],
    },
    Case {
        name: "line-8",
        load: Load::Line { clients: 8 },
        placement: Apart,
        requests: 250,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: THREADS_ON_LINES,
    },
    Case {
        name: "line-1-all",
        load: Load::Line { clients: 1 },
        placement: Everywhere,
        requests: 250,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: THREADS_ON_LINES,
    },
    Case {
        name: "line-8-all",
        load: Load::Line { clients: 8 },
        placement: Everywhere,
        requests: 250,
        slices: 25,
        servers: &["std-thread", "threading", "cpython-threading"],
        comparisons: THREADS_ON_LINES,
    },
    Case {
        name: "fork-1",
        load: Load::Line { clients: 1 },
        placement: Apart,
        requests: 100,
        slices: 25,
        servers: &["fork-loop", "forking", "cpython-forking"],
        comparisons: &[to_beat("forking", "fork-loop", 1.10), to_see("forking", "cpython-forking")],
    },
    Case {
        name: "fork-8",
        load: Load::Line { clients: 8 },
        placement: Apart,
        requests: 100,
        slices: 25,
        servers: &["fork-loop", "forking"],
        comparisons: &[to_beat("forking", "fork-loop", 1.10)],
    },
];

const THREADS_ON_LINES: &[Comparison] =
    &[to_beat("threading", "std-thread", 0.6), to_beat("threading", "cpython-threading", 0.25)];

pub(crate) fn is_meant_by(name: &str, word: &str) -> bool {
    name == word || name.split('-').next() == Some(word)
}

const fn to_beat(ours: &'static str, peer: &'static str, target: f64) -> Comparison {
    Comparison { ours, peer, target: Some(target) }
}

const fn to_see(ours: &'static str, peer: &'static str) -> Comparison {
    Comparison { ours, peer, target: None }
}

/// What a server is called in the report.
pub(crate) fn title(server: &str) -> &str {
    match server {
        "tcp" => "TcpServer",
        "threading" => "ThreadingTcpServer",
        "forking" => "ForkingTcpServer",
        "cpython-tcp" => "CPython TCPServer",
        "cpython-threading" => "CPython ThreadingTCPServer",
        "cpython-forking" => "CPython ForkingTCPServer",
        peer => peer,
    }
}

/// Whether a server cannot run without Python.
pub(crate) fn needs_python(server: &str) -> bool {
    server.starts_with("cpython-")
}
