//! What the tests share: deadlines, clients that cannot hang, places for sockets, and the check
//! that nothing is left behind.
//!
//! A test begins with [`alone`], which lets the tests of one binary run one at a time, and looks
//! at its end for descriptors, threads of ours, children and files that the test has left.

mod alone;
mod client;
mod gate;
mod path;
mod process;
mod trace;
mod watch;

pub use self::alone::{Alone, alone, children, descriptors, sleeps_for_ever, threads};
pub use self::client::{Client, Connect, datagram_client, unix_datagram_client};
pub use self::gate::Gate;
pub use self::path::{SocketPath, socket_path};
pub use self::process::{Process, cpu_time, limit_descriptors, role};
pub use self::trace::{Note, Trace};

use std::time::{Duration, Instant};

/// The most that anything in a test may take. An upper bound: nothing waits for so long if all
/// is well.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Waits until `condition` holds.
///
/// # Panics
///
/// When it does not hold within [`DEADLINE`].
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `code` on a thread of its own, and returns what it returns.
///
/// # Panics
///
/// When it panics, or does not end within [`DEADLINE`].
#[track_caller]
pub fn within_deadline<R: Send + 'static>(code: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = std::thread::spawn(code);
    eventually("the end of a call", || thread.is_finished());
    match thread.join() {
        Ok(result) => result,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
