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
