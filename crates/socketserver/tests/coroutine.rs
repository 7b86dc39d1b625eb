//! Requests on coroutines: where they run, how many, what they wait for, and what ends them. Each
//! test runs on each of the kernel's two ways to wait.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "coroutine/cutting.rs"]
mod cutting;
#[path = "coroutine/deadlines.rs"]
mod deadlines;
#[path = "coroutine/fairness.rs"]
mod fairness;
#[path = "coroutine/inside.rs"]
mod inside;
#[path = "coroutine/leaving.rs"]
mod leaving;
#[path = "coroutine/limits.rs"]
mod limits;
#[path = "coroutine/loops.rs"]
mod loops;
mod noting;
#[path = "coroutine/overflow.rs"]
mod overflow;
#[path = "coroutine/panics.rs"]
mod panics;
#[path = "coroutine/placement.rs"]
mod placement;
#[path = "coroutine/shared.rs"]
mod shared;
#[path = "coroutine/stacks.rs"]
mod stacks;
#[path = "coroutine/until_wait.rs"]
mod until_wait;

use std::io::{self, Write};

use socketserver::mixin::Backend;
use socketserver_coroutine::{Config, Workers};

/// Makes two tests of each: one on each backend.
macro_rules! on_each_backend {
    ($($(#[$doc:meta])* fn $name:ident($backend:ident: Backend) $body:block)+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            fn run($backend: Backend) $body

            #[test]
            fn epoll() {
                let _alone = testkit::alone();
                run(Backend::Epoll);
            }

            #[test]
            fn io_uring() {
                let _alone = testkit::alone();
                if crate::is_there(Backend::IoUring) {
                    run(Backend::IoUring);
                }
            }
        }
    )+};
}

pub(crate) use on_each_backend;

/// Whether the kernel offers it; says that a test is skipped if not.
fn is_there(backend: Backend) -> bool {
    let mut config = Config::default();
    config.backend = backend;
    match Workers::start("socketserver-probe", 1, &config) {
        Ok(workers) => workers.stop(Some(testkit::DEADLINE)),
        Err(error) => {
            // Not `eprintln!`, which nobody would see.
            let _ = writeln!(io::stderr(), "SKIPPED: no {backend} here: {error}");
            false
        }
    }
}
