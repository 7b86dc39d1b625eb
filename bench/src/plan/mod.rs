//! What is run, what is compared with what, and which figures are wanted.

mod cases;

use std::fmt;

pub(crate) use self::cases::CASES;
use crate::cpu::Placement;
use crate::load::Load;

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

pub(crate) const fn to_beat(ours: &'static str, peer: &'static str, target: f64) -> Comparison {
    Comparison { ours, peer: Some(peer), target: Some(Target::AtMost(target)) }
}

pub(crate) const fn at_most(ours: &'static str, us: f64) -> Comparison {
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
