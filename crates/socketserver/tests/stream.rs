//! Connections: how they end, how long their operations wait, and their options.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "stream/ending.rs"]
mod ending;
#[path = "stream/lingering.rs"]
mod lingering;
mod noting;
#[path = "stream/options.rs"]
mod options;
#[path = "stream/timeouts.rs"]
mod timeouts;
