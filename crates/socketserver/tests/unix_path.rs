//! The paths of Unix sockets: whose they are, who may use them, and when they go.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "unix_path/access.rs"]
mod access;
#[path = "unix_path/cleanup.rs"]
mod cleanup;
#[path = "unix_path/names.rs"]
mod names;
mod noting;
#[path = "unix_path/taken.rs"]
mod taken;

use socketserver::{
    DatagramRequest, HandlerFn, Result, StreamRequest, UnixDatagramServer, UnixStreamServer,
};

fn greet(request: &mut StreamRequest<'_>) -> Result {
    Ok(request.connection().send_all(b"hello")?)
}

fn greet_back(request: &mut DatagramRequest<'_>) -> Result {
    request.wfile = b"hello".to_vec();
    Ok(())
}

type Greet = HandlerFn<fn(&mut StreamRequest<'_>) -> Result>;
type GreetBack = HandlerFn<fn(&mut DatagramRequest<'_>) -> Result>;

/// Makes handlers that greet.
fn greeter() -> Greet {
    HandlerFn::new(greet)
}

/// Makes handlers that greet in a packet.
fn back_greeter() -> GreetBack {
    HandlerFn::new(greet_back)
}

type StreamServer = UnixStreamServer<Greet>;
type DatagramServer = UnixDatagramServer<GreetBack>;
