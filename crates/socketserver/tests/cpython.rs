//! The tests that CPython has of its `socketserver`, one for one by what they assert, each under
//! the name of the original. Where the original is of something that is different here, the test
//! shows what is here instead, and its comment says so.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "cpython/errors.rs"]
mod errors;
#[path = "cpython/lifecycle.rs"]
mod lifecycle;
#[path = "cpython/misc.rs"]
mod misc;
#[path = "cpython/serving.rs"]
mod serving;
#[path = "cpython/writer.rs"]
mod writer;
