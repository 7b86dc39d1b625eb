//! The servers: each does the same work, a line in and the same line out.

mod by_hand;
mod ours;
pub(crate) mod parked;
#[cfg(feature = "peers")]
mod runtimes;
pub(crate) mod scripts;

use std::env;
use std::io::{self, Write};
use std::sync::LazyLock;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::alarm;

use crate::Result;

/// Serves under this name until it is killed; with a limit, no longer than that or than its parent.
pub(crate) fn serve(name: &str, python: &str, for_seconds: Option<u32>) -> Result<()> {
    if let Some(seconds) = for_seconds {
        // Both outlive the exec of another program; the alarm's default action ends the process.
        alarm::set(seconds);
        prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    match name {
        "std-loop" => by_hand::std::in_turn(),
        "std-thread" => by_hand::std::threads(),
        "std-udp" => by_hand::std::udp(),
        "epoll-loop" => by_hand::epoll::serve(),
        "uring-loop" => by_hand::uring::serve(),
        "by-hand-udp" => by_hand::udp::serve(),
        _ if name.starts_with("cpython-") || name == "gevent" => scripts::serve(name, python),
        _ if name.starts_with("go") || name == "fork-loop" => scripts::serve(name, python),
        _ => ours::serve(name).or_else(|| runtime(name)).unwrap_or_else(|| {
            Err(format!("no server is named {name:?} here; see `bench help`").into())
        }),
    }
}

#[cfg(feature = "peers")]
fn runtime(name: &str) -> Option<Result<()>> {
    use std::num::NonZeroUsize;

    Some(match name {
        "tokio" => runtimes::tokio::tcp(None),
        "tokio-2" => runtimes::tokio::tcp(NonZeroUsize::new(2)),
        "tokio-udp" => runtimes::tokio::udp(),
        "monoio" => runtimes::monoio::tcp(),
        "may" => runtimes::may::tcp(1),
        "may-2" => runtimes::may::tcp(2),
        "smol" => runtimes::smol::tcp(),
        "hyper" => runtimes::hyper::http(),
        _ => return None,
    })
}

#[cfg(not(feature = "peers"))]
fn runtime(_name: &str) -> Option<Result<()>> {
    None
}

/// With this in the environment, the peers and our own servers with a thread for each connection
/// turn Nagle's algorithm off. Their replies go out one by one, and each would otherwise wait for
/// the client's kernel to confirm the one before, which that delays by 40 ms.
pub(crate) const NO_DELAY: &str = "BENCH_NO_DELAY";

/// Whether Nagle's algorithm is to be turned off.
fn no_delay() -> bool {
    static NO: LazyLock<bool> = LazyLock::new(|| env::var_os(NO_DELAY).is_some());
    *NO
}

/// Tells who started the server where it listens.
fn announce(port: u16) -> io::Result<()> {
    writeln!(io::stdout(), "{port}")
}

/// Serves until it is told to stop, and prints how long that takes.
pub(crate) fn serve_until_told(name: &str) -> Result<()> {
    ours::serve_until_told(name)
}

/// Prints how long `shutdown()` of an idle server of ours takes, in nanoseconds, round by round.
pub(crate) fn shutdown(name: &str, rounds: usize) -> Result<()> {
    ours::shutdown(name, rounds)
}
