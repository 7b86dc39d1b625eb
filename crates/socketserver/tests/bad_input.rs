//! Clients that mean harm or mean nothing: each gets its limit, and the next client is served.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "bad_input/crowds.rs"]
mod crowds;
#[path = "bad_input/mixture.rs"]
mod mixture;
mod noting;
#[path = "bad_input/single.rs"]
mod single;

use std::io::Write;
use std::time::Duration;

use socketserver::{Result, StreamRequest, StreamRequestHandler};

/// Echoes lines, to clients that take no longer than a timeout for each.
#[derive(Clone, Copy, Debug, Default)]
struct Echo {
    timeout: Option<Duration>,
}

impl<S> StreamRequestHandler<S> for Echo {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}
