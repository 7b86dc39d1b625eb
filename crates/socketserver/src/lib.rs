//! Network servers as plain, blocking code: write what one request does, and pick a server.
//!
//! This is the whole of Python's [`socketserver`](https://docs.python.org/3/library/socketserver.html)
//! for Rust, without its defects. Python keeps three things in one class hierarchy: what a socket
//! is, how requests are run, and what the application wants done. Here each is one type parameter
//! of one [`Server`]:
//!
//! ```text
//!            Server< T ,       M ,        H ,            S >
//!                    |         |          |              |
//!   what the socket is      who runs     what a request   what the server decides
//!   (Transport: Tcp,        a request    does, made anew  and shares (BaseServer:
//!    Udp, UnixStream,       (MixIn:      for each one     verify_request,
//!    UnixDatagram)          Threading,   (StreamRequest-  handle_error, ... and
//!                           Coroutine..)  Handler, ...)   Python's `self.server`)
//! ```
//!
//! The familiar names are aliases, so changing one word changes the dispatch:
//!
//! ```
//! use std::io::Write;
//! use socketserver::{Result, StreamRequest, StreamRequestHandler, ThreadingTcpServer};
//!
//! struct Echo;
//!
//! impl StreamRequestHandler for Echo {
//!     fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
//!         let StreamRequest { rfile, wfile, .. } = request;
//!         for line in rfile.lines() {
//!             writeln!(wfile, "{}", line?)?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let server = ThreadingTcpServer::bind("127.0.0.1:0", || Echo)?;
//! # server.shutdown_handle().request_shutdown();
//! server.serve_forever()
//! # }
//! ```
//!
//! | | one at a time | a thread each | a process each | a coroutine each |
//! |---|---|---|---|---|
//! | TCP | [`TcpServer`] | [`ThreadingTcpServer`] | [`ForkingTcpServer`] | [`CoroutineTcpServer`] |
//! | UDP | [`UdpServer`] | [`ThreadingUdpServer`] | [`ForkingUdpServer`] | [`CoroutineUdpServer`] |
//! | Unix stream | [`UnixStreamServer`] | [`ThreadingUnixStreamServer`] | [`ForkingUnixStreamServer`] | [`CoroutineUnixStreamServer`] |
//! | Unix datagram | [`UnixDatagramServer`] | [`ThreadingUnixDatagramServer`] | [`ForkingUnixDatagramServer`] | [`CoroutineUnixDatagramServer`] |
//!
//! Over datagrams there are servers of [sessions](manual::sessions) too: one handler for all that a
//! peer sends.
//!
//! A [coroutine](manual::coroutines) is a stack of its own for the same blocking code, on a thread that
//! it shares with thousands of others: where one would wait, another runs. [`sleep`], [`spawn`],
//! [`sync`], [`net`] and [`blocking`](fn@blocking) park there, and block on a thread. They come with
//! the feature `coroutine`, which is on by default.
//!
//! A handler implements [`StreamRequestHandler`], [`DatagramRequestHandler`],
//! [`SessionRequestHandler`] or [`BaseRequestHandler`]. What Python overrides in a subclass of a server is in [`BaseServer`]
//! (hooks and shared state), in [`transport::Transport`] (the socket) and in [`mixin::MixIn`]
//! (who runs a request); all three are open to implementations of yours. The [`manual`] says how
//! to come from Python, how to choose, how to stop, and why the defaults are what they are.
//!
//! Linux only, for now it stands on: `eventfd`, `pidfd`, `accept4` and `O_PATH`.

#![forbid(unsafe_code)]
// Standard output is the program's.
#![warn(clippy::print_stdout)]

mod address;
mod control;
mod error;
pub mod handler;
mod hooks;
pub mod manual;
pub mod mixin;
pub mod observe;
mod server;
pub mod transport;
mod wait;

pub use crate::address::Address;
pub use crate::control::{ShutdownHandle, SignalGuard};
pub use crate::error::{BoxError, Disconnected, Failed, Failure, Result};
pub use crate::handler::{
    BaseRequest, BaseRequestHandler, DatagramRequest, DatagramRequestHandler, HandlerFn, LineEnd,
    Prefix, SessionRequest, SessionRequestHandler, StreamRequest, StreamRequestHandler, WriteMode,
    handler_fn,
};
pub use crate::hooks::{BaseServer, FinishRequest, RequestError, print_error};
pub use crate::server::{
    Background, BoundServer, Builder, CutRequest, DrainReport, Outcome, Pending, PollSet, Server,
    ServerAcceptor,
};

#[cfg(feature = "coroutine")]
pub use socketserver_coroutine::{
    JoinHandle, Parker, Unparker, blocking, in_coroutine, net, sleep, spawn, sync, try_spawn,
    yield_now,
};

#[cfg(feature = "coroutine")]
use crate::mixin::Coroutine;
use crate::mixin::{Forking, Synchronous, Threading};
use crate::transport::{Sessions, Tcp, Udp, UnixDatagram, UnixStream};

/// Stream server over TCP, one request at a time.
#[doc(alias = "TCPServer")]
pub type TcpServer<H, S = ()> = Server<Tcp, Synchronous, H, S>;
/// Datagram server over UDP, one request at a time.
#[doc(alias = "UDPServer")]
pub type UdpServer<H, S = ()> = Server<Udp, Synchronous, H, S>;
/// Stream server over a Unix socket, one request at a time.
pub type UnixStreamServer<H, S = ()> = Server<UnixStream, Synchronous, H, S>;
/// Datagram server over a Unix socket, one request at a time.
pub type UnixDatagramServer<H, S = ()> = Server<UnixDatagram, Synchronous, H, S>;

/// Stream server over TCP, a thread per request.
#[doc(alias = "ThreadingTCPServer")]
pub type ThreadingTcpServer<H, S = ()> = Server<Tcp, Threading, H, S>;
/// Datagram server over UDP, a thread per request.
#[doc(alias = "ThreadingUDPServer")]
pub type ThreadingUdpServer<H, S = ()> = Server<Udp, Threading, H, S>;
/// Server of [sessions](transport::Sessions) over UDP, a thread per peer.
pub type ThreadingUdpSessionServer<H, S = ()> = Server<Sessions<Udp>, Threading, H, S>;
/// Server of [sessions](transport::Sessions) over a Unix datagram socket, a thread per peer.
pub type ThreadingUnixDatagramSessionServer<H, S = ()> =
    Server<Sessions<UnixDatagram>, Threading, H, S>;
/// Stream server over a Unix socket, a thread per request.
pub type ThreadingUnixStreamServer<H, S = ()> = Server<UnixStream, Threading, H, S>;
/// Datagram server over a Unix socket, a thread per request.
pub type ThreadingUnixDatagramServer<H, S = ()> = Server<UnixDatagram, Threading, H, S>;

/// Stream server over TCP, a child process per request.
#[doc(alias = "ForkingTCPServer")]
pub type ForkingTcpServer<H, S = ()> = Server<Tcp, Forking, H, S>;
/// Datagram server over UDP, a child process per request.
#[doc(alias = "ForkingUDPServer")]
pub type ForkingUdpServer<H, S = ()> = Server<Udp, Forking, H, S>;
/// Stream server over a Unix socket, a child process per request.
pub type ForkingUnixStreamServer<H, S = ()> = Server<UnixStream, Forking, H, S>;
/// Datagram server over a Unix socket, a child process per request.
pub type ForkingUnixDatagramServer<H, S = ()> = Server<UnixDatagram, Forking, H, S>;

/// Stream server over TCP, a coroutine per request, on all cores.
#[cfg(feature = "coroutine")]
pub type CoroutineTcpServer<H, S = ()> = Server<Tcp, Coroutine, H, S>;
/// Datagram server over UDP, a coroutine per request, on all cores.
#[cfg(feature = "coroutine")]
pub type CoroutineUdpServer<H, S = ()> = Server<Udp, Coroutine, H, S>;
/// Stream server over a Unix socket, a coroutine per request, on all cores.
#[cfg(feature = "coroutine")]
pub type CoroutineUnixStreamServer<H, S = ()> = Server<UnixStream, Coroutine, H, S>;
/// Datagram server over a Unix socket, a coroutine per request, on all cores.
#[cfg(feature = "coroutine")]
pub type CoroutineUnixDatagramServer<H, S = ()> = Server<UnixDatagram, Coroutine, H, S>;
/// Server of [sessions](transport::Sessions) over UDP, a coroutine per peer.
#[cfg(feature = "coroutine")]
pub type CoroutineUdpSessionServer<H, S = ()> = Server<Sessions<Udp>, Coroutine, H, S>;
/// Server of [sessions](transport::Sessions) over a Unix datagram socket, a coroutine per peer.
#[cfg(feature = "coroutine")]
pub type CoroutineUnixDatagramSessionServer<H, S = ()> =
    Server<Sessions<UnixDatagram>, Coroutine, H, S>;
