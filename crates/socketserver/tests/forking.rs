//! Requests in processes of their own: how they end, what they leave, what they cannot do.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "forking/child.rs"]
mod child;
mod common;
#[path = "forking/reaping.rs"]
mod reaping;
#[path = "forking/refused.rs"]
mod refused;
