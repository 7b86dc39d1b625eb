//! The command `socketserver`: serves a built-in protocol, or any program per connection.

#![forbid(unsafe_code)]

mod args;
mod bind;
mod endpoint;
mod environment;
mod exit;
mod handler;
mod log;
mod manual;
mod program;
mod protocol;
mod run;
mod serve;
mod state;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::run().into()
}
