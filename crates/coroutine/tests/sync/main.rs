//! What coroutines and threads share. Each scenario runs among threads, among the coroutines of
//! one worker on either back end, and among threads and the coroutines of two workers together.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod channel;
mod cut;
mod mutex;
mod semaphore;
mod signals;
mod team;
