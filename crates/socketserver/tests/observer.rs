//! What an observer hears: everything, once.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "observer/accepting.rs"]
mod accepting;
mod common;
mod noting;
#[path = "observer/requests.rs"]
mod requests;
#[path = "observer/server.rs"]
mod server;
#[cfg(feature = "tracing")]
#[path = "observer/tracing.rs"]
mod tracing;
