//! The servers by name: what they are called in the report, and what they cannot do without.

use std::fmt;

/// One server of the benchmark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// The name that `bench serve` knows.
    pub(crate) name: &'static str,
    /// What the report calls it.
    pub(crate) title: &'static str,
    pub(crate) needs: Needs,
    /// Whether it is one of this repository.
    pub(crate) is_ours: bool,
}

/// What has to be there for a server to be built and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// The feature `peers` of this program.
    Peers,
    Python,
    Gevent,
    Go,
    C,
    Redis,
    /// The examples of this repository, built with cargo.
    Examples,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Peers => "bench built with `--features peers`",
            Self::Python => "python3",
            Self::Gevent => "gevent in that Python (`pip install gevent`)",
            Self::Go => "go",
            Self::C => "cc",
            Self::Redis => "redis-server",
            Self::Examples => "example that could be built",
        })
    }
}

/// Every server there is.
pub(crate) const SERVERS: &[Server] = &[
    ours("tcp", "TcpServer"),
    ours("threading", "ThreadingTcpServer"),
    ours("forking", "ForkingTcpServer"),
    ours("udp", "UdpServer"),
    ours("coroutine", "CoroutineTcpServer"),
    ours("coroutine-epoll", "CoroutineTcpServer, epoll"),
    ours("coroutine-io_uring", "CoroutineTcpServer, io_uring"),
    ours("coroutine-2", "CoroutineTcpServer, two workers"),
    ours("coroutine-hibernate", "CoroutineTcpServer, hibernating"),
    ours("coroutine-udp", "CoroutineUdpServer"),
    example("resp-coroutine", "RESP example, coroutines"),
    example("resp-threading", "RESP example, threads"),
    example("http-coroutine", "HTTP example, coroutines"),
    example("http-threading", "HTTP example, threads"),
    peer("redis-server", "redis-server", Needs::Redis),
    peer("std-loop", "std loop", Needs::Nothing),
    peer("std-thread", "std threads", Needs::Nothing),
    peer("std-udp", "std loop, UDP", Needs::Nothing),
    peer("fork-loop", "fork loop in C", Needs::C),
    peer("epoll-loop", "epoll by hand", Needs::Nothing),
    peer("uring-loop", "io_uring by hand", Needs::Nothing),
    peer("by-hand-udp", "recvmmsg and GRO by hand", Needs::Nothing),
    peer("tokio", "tokio, current thread", Needs::Peers),
    peer("tokio-2", "tokio, two workers", Needs::Peers),
    peer("tokio-udp", "tokio, UDP", Needs::Peers),
    peer("monoio", "monoio", Needs::Peers),
    peer("may", "may, one worker", Needs::Peers),
    peer("may-2", "may, two workers", Needs::Peers),
    peer("smol", "smol", Needs::Peers),
    peer("hyper", "hyper on tokio", Needs::Peers),
    peer("go", "Go, one P", Needs::Go),
    peer("go-2", "Go, two Ps", Needs::Go),
    peer("go-udp", "Go, UDP", Needs::Go),
    peer("go-http", "Go net/http", Needs::Go),
    peer("gevent", "gevent", Needs::Gevent),
    peer("cpython-tcp", "CPython TCPServer", Needs::Python),
    peer("cpython-threading", "CPython ThreadingTCPServer", Needs::Python),
    peer("cpython-forking", "CPython ForkingTCPServer", Needs::Python),
    peer("cpython-udp", "CPython UDPServer", Needs::Python),
];

const fn ours(name: &'static str, title: &'static str) -> Server {
    Server { name, title, needs: Needs::Nothing, is_ours: true }
}

const fn example(name: &'static str, title: &'static str) -> Server {
    Server { name, title, needs: Needs::Examples, is_ours: true }
}

const fn peer(name: &'static str, title: &'static str, needs: Needs) -> Server {
    Server { name, title, needs, is_ours: false }
}

/// The server of this name.
pub(crate) fn find(name: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|server| server.name == name)
}

/// What the report calls it.
pub(crate) fn title(name: &str) -> &str {
    find(name).map_or(name, |server| server.title)
}

/// Whether it is one of this repository.
pub(crate) fn is_ours(name: &str) -> bool {
    find(name).is_some_and(|server| server.is_ours)
}
