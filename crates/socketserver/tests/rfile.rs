//! The bounded reads of `rfile`: against plain versions of themselves over bytes that come torn
//! and interrupted anywhere, and against clients that lie.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "rfile/bounded.rs"]
mod bounded;
mod noting;
#[path = "rfile/plain.rs"]
mod plain;
#[path = "rfile/properties.rs"]
mod properties;
#[path = "rfile/scripted.rs"]
mod scripted;
