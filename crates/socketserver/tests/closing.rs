//! `server_close` and `drain`: what becomes of the requests that run.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "closing/children.rs"]
mod children;
mod common;
#[path = "closing/inside.rs"]
mod inside;
#[path = "closing/racing.rs"]
mod racing;
#[path = "closing/threads.rs"]
mod threads;
