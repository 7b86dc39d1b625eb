//! The examples, as their readers run them: each is started as it is, on port 0, spoken to as its
//! first lines say (by the real client too, where that is installed), and stopped by SIGTERM,
//! after which nothing of it may be left.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod chat;
mod coroutines;
mod extensions;
mod http_hello;
mod programs;
mod resp;
mod running;
mod syslog;
