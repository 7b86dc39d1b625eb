//! `shutdown`: from everywhere, at any time, at once.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "shutdown/hooks.rs"]
mod hooks;
#[path = "shutdown/idle.rs"]
mod idle;
#[path = "shutdown/races.rs"]
mod races;
#[path = "shutdown/signals.rs"]
mod signals;
