//! The servers: each does the same work, a line in and the same line out.

mod ours;
mod peers;
pub(crate) mod python;

use std::io::{self, Write};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::alarm;

use crate::Result;

/// Serves under this name until it is killed; with a limit, no longer than that or than its parent.
pub(crate) fn serve(name: &str, python: &str, for_seconds: Option<u32>) -> Result<()> {
    if let Some(seconds) = for_seconds {
        // Both outlive the exec into Python; the alarm's default action ends the process.
        alarm::set(seconds);
        prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    match name {
        "std-loop" => peers::std_loop(),
        "std-thread" => peers::std_thread(),
        "fork-loop" => peers::fork_loop(),
        "tcp" => ours::tcp(),
        "threading" => ours::threading(),
        "forking" => ours::forking(),
        "cpython-tcp" => python::exec(python, &["serve", "tcp"]),
        "cpython-threading" => python::exec(python, &["serve", "threading"]),
        "cpython-forking" => python::exec(python, &["serve", "forking"]),
        _ => Err(format!("no server is named {name:?}; see `bench help`").into()),
    }
}

/// Tells who started the server where it listens.
fn announce(port: u16) -> io::Result<()> {
    writeln!(io::stdout(), "{port}")
}

/// Prints how long `shutdown()` of an idle server of ours takes, in nanoseconds, round by round.
pub(crate) fn shutdown(name: &str, rounds: usize) -> Result<()> {
    ours::shutdown(name, rounds)
}
