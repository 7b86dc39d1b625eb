//! Datagrams: their sizes, their replies, and the clients that are not there.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "datagram/batches.rs"]
mod batches;
#[path = "datagram/clients.rs"]
mod clients;
#[path = "datagram/late.rs"]
mod late;
mod noting;
#[path = "datagram/replies.rs"]
mod replies;
#[path = "datagram/sizes.rs"]
mod sizes;
#[path = "datagram/sources.rs"]
mod sources;
