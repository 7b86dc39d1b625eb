//! When what a handler writes goes out, and that all of it does.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "wfile/buffered.rs"]
mod buffered;
#[path = "wfile/interrupted.rs"]
mod interrupted;
mod noting;
#[path = "wfile/unbuffered.rs"]
mod unbuffered;
#[path = "wfile/until_wait.rs"]
mod until_wait;
#[path = "wfile/writes.rs"]
mod writes;
