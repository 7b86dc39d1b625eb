//! The same scenarios against Python's `socketserver` and against ours, compared by what can be
//! seen from outside: which hooks were called and in what order, what each client received, and
//! how its connection ended.
//!
//! The scenarios are a [product]: servers by mix-ins by situations by the two ways to
//! serve. Each runs against two child processes in turn, a Python one and a Rust one, that speak
//! the same small language on their standard input and output. A difference has to be on the
//! [list of intended ones](differences), and each entry of that list has to occur wherever it
//! says, or the run fails.
//!
//! Python has no coroutines. Those of ours are compared with what comes nearest, Python's threads: a
//! scenario of `coroutine_epoll` or `coroutine_io_uring` runs a `ThreadingMixIn` on Python's side.
//! There they must do what threads do, hook by hook, and with one worker, so that requests are
//! taken in one order. The coroutine that takes them counts as the accept loop, whatever thread it
//! is on; what it [leaves out](differences::LEFT_OUT) of Python's loop is listed.
//!
//! This library knows nothing of the crate that it judges; the binary beside it is one of the two
//! servers.

pub mod client;
pub mod compare;
pub mod differences;
pub mod driver;
pub mod nursery;
pub mod outcome;
pub mod pattern;
pub mod product;
pub mod python;
pub mod run;
pub mod scenario;
pub mod server;
mod situations;
pub mod trace;
