//! Taking requests off the socket: errors of every kind, and loops that must not wait.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "accepting/clients.rs"]
mod clients;
mod common;
#[path = "accepting/descriptors.rs"]
mod descriptors;
#[path = "accepting/errors.rs"]
mod errors;
#[path = "accepting/scripted.rs"]
mod scripted;
