//! What a request does: the traits that applications implement.
//!
//! | trait | its request |
//! |---|---|
//! | [`StreamRequestHandler`] | a connection, with `rfile` and `wfile` |
//! | [`DatagramRequestHandler`] | a packet, with the reply in `wfile` |
//! | [`SessionRequestHandler`] | all packets of one peer |
//! | [`BaseRequestHandler`] | the request itself: a connection, a packet, or what a transport of your own makes |
//!
//! Implement one of them and [`RequestHandler`], which servers ask for, comes with it.

mod base;
mod buffers;
mod datagram;
mod function;
mod rfile;
mod session;
mod stream;
mod wfile;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::base::{BaseRequest, BaseRequestHandler, ViaBase};
pub use self::datagram::{DatagramRequest, DatagramRequestHandler, ViaDatagram};
pub use self::function::{HandlerFn, handler_fn};
pub use self::rfile::{LineEnd, Lines, Prefix, Rfile};
pub use self::session::{SessionRequest, SessionRequestHandler, ViaSession};
pub use self::stream::{StreamRequest, StreamRequestHandler, ViaStream};
use self::wfile::Held;
pub use self::wfile::{Wfile, WriteMode};
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::{Failed, Failure, Result, guard};
use crate::transport::Kind;

/// Handlers of one kind of request on a server with state `S`.
///
/// It comes with [`StreamRequestHandler`], [`DatagramRequestHandler`] and [`BaseRequestHandler`];
/// `Via` says with which, is always inferred, and is never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle the requests of this server",
    label = "wants a handler of `{K}` requests, on a server with state `{S}`",
    note = "implement `StreamRequestHandler<{S}>` or `DatagramRequestHandler<{S}>` for `{Self}`",
    note = "a handler for a server with another state needs that state: \
            `Server::builder(...).server(state)`"
)]
pub trait RequestHandler<K: Kind, S, Via> {
    /// Handles one request from beginning to end: `setup`, `handle` and `finish`.
    ///
    /// # Errors
    ///
    /// What the three returned or panicked with.
    fn run(&mut self, request: Arc<K::Request>, context: Context<'_, S>) -> Result<(), Failed>;
}

/// What every request knows besides its own bytes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Context<'a, S> {
    /// The sender's address.
    pub client_address: &'a Address,
    /// The server: shared state and overridden hooks.
    pub server: &'a S,
    /// Stops the server.
    pub shutdown_handle: &'a ShutdownHandle,
    pub(crate) shared: &'a Arc<Shared>,
}

impl<'a, S> Context<'a, S> {
    pub(crate) fn new(
        client_address: &'a Address,
        server: &'a S,
        shutdown_handle: &'a ShutdownHandle,
        shared: &'a Arc<Shared>,
    ) -> Self {
        Self { client_address, server, shutdown_handle, shared }
    }
}

/// What a request's two sides and the server share.
#[derive(Default)]
pub(crate) struct Shared {
    /// The server has cut the request, for it was closed and would not wait any longer.
    is_cut: AtomicBool,
    /// What has been written and not yet sent.
    held: Held,
}

impl Shared {
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("is_cut", &self.is_cut()).finish_non_exhaustive()
    }
}

/// Python's `setup(); try: handle() finally: finish()`, with panics as errors.
///
/// `after_handle` is told whether `handle` failed before `finish` runs.
fn run_phases<H: ?Sized, R>(
    handler: &mut H,
    request: &mut R,
    setup: impl FnOnce(&mut H, &mut R) -> Result,
    handle: impl FnOnce(&mut H, &mut R) -> Result,
    after_handle: impl FnOnce(&mut R, bool),
    finish: impl FnOnce(&mut H, &mut R) -> Result,
) -> Result<(), Failed> {
    guard(|| setup(handler, request))?;
    let handled: Result<(), Failure> = guard(|| handle(handler, request));
    after_handle(request, handled.is_err());
    match (handled, guard(|| finish(handler, request))) {
        (handled, Ok(())) => Ok(handled?),
        (handled, Err(failure)) => Err(Failed { failure, context: handled.err().map(Box::new) }),
    }
}
