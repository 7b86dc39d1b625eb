//! What a request goes through, and what becomes of it when something on the way fails.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
#[path = "pipeline/errors.rs"]
mod errors;
#[path = "pipeline/get_request.rs"]
mod get_request;
#[path = "pipeline/handlers.rs"]
mod handlers;
mod noting;
#[path = "pipeline/order.rs"]
mod order;
#[path = "pipeline/panics.rs"]
mod panics;
#[path = "pipeline/phases.rs"]
mod phases;
#[path = "pipeline/printed.rs"]
mod printed;
