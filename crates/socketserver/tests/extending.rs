//! Everything that a user's own crate may put in the place of something of this one's.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "extending/choosing.rs"]
mod choosing;
mod common;
#[path = "extending/jobs.rs"]
mod jobs;
#[path = "extending/loops.rs"]
mod loops;
#[path = "extending/mixins.rs"]
mod mixins;
#[path = "extending/wrapping.rs"]
mod wrapping;
