//! What a server decides for itself: the methods that a Python programmer overrides in a subclass.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::error::{Failed, Failure, Result};
use crate::handler::{Context, RequestHandler};
use crate::transport::{Connection, Kind, OpenRequest, Packet, Tcp, Transport};

/// What a Python programmer overrides in a subclass of `BaseServer`, and the state kept there.
///
/// Every method is provided. A handler reaches the implementing value as
/// [`StreamRequest::server`](crate::StreamRequest::server). `()` is the server that overrides
/// nothing and keeps nothing. Write `impl BaseServer for X` for a TCP server,
/// `impl<T: Transport> BaseServer<T> for X` for any.
///
/// Rust has no `super()`; so every provided body here is one call of a public function, which an
/// override may call too. A panic in a hook is caught, told to the observer, and does not end
/// the server.
///
/// The hooks that touch the socket (`server_bind`, `server_activate`, `get_request`,
/// `shutdown_request`, `close_request`) are on [`Transport`], and `process_request` is on
/// [`MixIn`](crate::mixin::MixIn).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of a server over `{T}`",
    note = "if it overrides nothing: `impl BaseServer<{T}> for {Self} {{}}`"
)]
pub trait BaseServer<T: Transport = Tcp> {
    /// Whether to go on with this request. By default, yes.
    ///
    /// Called on the serving thread, or under `Coroutine` on a worker, perhaps several at a time;
    /// before anything is read from the client. It should not wait. A refused request is shut down
    /// and closed, and no handler sees it. A panic refuses it, and goes to
    /// [`handle_error`](Self::handle_error) too.
    fn verify_request(&self, request: &T::Request, client_address: &Address) -> bool {
        let _ = (request, client_address);
        true
    }

    /// Runs the handler. By default [`FinishRequest::finish`]; override it to wrap the
    /// connection, or to choose the handler by the request.
    ///
    /// Called where the request runs: on the serving thread, a thread of its own, in a child or in
    /// a coroutine.
    ///
    /// # Errors
    ///
    /// Go to [`handle_error`](Self::handle_error).
    fn finish_request(&self, request: FinishRequest<'_, T::Kind, Self>) -> Result<(), Failed>
    where
        Self: Sized,
    {
        request.finish()
    }

    /// Called with each request that failed, where it ran, with the request still open. By
    /// default [`print_error`].
    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        print_error(error, client_address);
    }

    /// Called when `handle_request` has waited for the whole of the server's timeout, on the
    /// thread that waited. By default it does nothing.
    fn handle_timeout(&self) {}

    /// Called on each pass of the `serve_forever` loop, on the serving thread: after each request,
    /// each wake-up, and each `poll_interval`; under `Coroutine` also by each worker that has taken
    /// requests, so that several calls may run at a time. By default it does nothing.
    fn service_actions(&self) {}

    /// Called once, when the server is closed, after its socket has been closed and before its
    /// requests are waited for. By default it does nothing.
    fn server_close(&self) {}
}

impl<T: Transport> BaseServer<T> for () {}

/// The handler that a server was given, ready to run one request.
pub(crate) type Run<K, S> =
    dyn Fn(Arc<<K as Kind>::Request>, Context<'_, S>) -> Result<(), Failed> + Send + Sync;

/// A request that is about to be given to its handler; see [`BaseServer::finish_request`].
pub struct FinishRequest<'a, K: Kind, S> {
    request: Arc<K::Request>,
    context: Context<'a, S>,
    run: &'a Run<K, S>,
}

impl<'a, K: Kind, S> FinishRequest<'a, K, S> {
    pub(crate) fn new(
        request: Arc<K::Request>,
        context: Context<'a, S>,
        run: &'a Run<K, S>,
    ) -> Self {
        Self { request, context, run }
    }

    /// The connection, the packet, or what the transport makes.
    pub fn request(&self) -> &Arc<K::Request> {
        &self.request
    }

    /// The client's address.
    pub fn client_address(&self) -> &'a Address {
        self.context.client_address
    }

    /// Puts another connection in the place of this one: one that counts or logs, say, and calls
    /// this one.
    #[must_use]
    pub fn with_request(self, request: Arc<K::Request>) -> Self {
        Self { request, ..self }
    }

    /// Makes the server's own handler and runs it: the whole of the default `finish_request`,
    /// and what in Python is `self.RequestHandlerClass(request, client_address, self)`.
    ///
    /// # Errors
    ///
    /// What `setup`, `handle` and `finish` returned or panicked with.
    pub fn finish(self) -> Result<(), Failed> {
        (self.run)(self.request, self.context)
    }

    /// Runs a handler of the caller's choice instead.
    ///
    /// # Errors
    ///
    /// What `setup`, `handle` and `finish` returned or panicked with.
    pub fn finish_with<H, Via>(self, handler: &mut H) -> Result<(), Failed>
    where
        H: RequestHandler<K, S, Via> + ?Sized,
    {
        handler.run(self.request, self.context)
    }
}

impl<K: Kind, S> fmt::Debug for FinishRequest<'_, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishRequest")
            .field("client_address", &self.context.client_address)
            .finish_non_exhaustive()
    }
}

/// A request that failed, still open; what [`BaseServer::handle_error`] gets.
pub struct RequestError {
    failed: Failed,
    request: OpenRequest,
}

impl RequestError {
    pub(crate) fn new(failed: Failed, request: OpenRequest) -> Self {
        Self { failed, request }
    }

    /// Lets go of the request, so that it can be closed.
    pub(crate) fn into_failed(self) -> Failed {
        self.failed
    }

    /// What went wrong last.
    pub fn failure(&self) -> &Failure {
        &self.failed.failure
    }

    /// What had gone wrong before: the failure of `handle`, when `finish` failed too.
    pub fn context(&self) -> Option<&Failure> {
        self.failed.context.as_deref()
    }

    /// Whether all that happened is that the client went away, as clients do; see
    /// [`Failure::is_disconnect`].
    pub fn is_disconnect(&self) -> bool {
        self.failed.is_disconnect()
    }

    /// Whether all that happened is that the server, being closed, cut the request; see
    /// [`Failure::is_cut`].
    pub fn is_cut(&self) -> bool {
        self.failed.is_cut()
    }

    /// The client's connection, still open, for a last word to the client; `None` on a server
    /// whose requests are not connections.
    pub fn connection(&self) -> Option<&Arc<dyn Connection>> {
        match &self.request {
            OpenRequest::Stream(connection) => Some(connection),
            _ => None,
        }
    }

    /// The packet, and with it the socket to answer on; `None` on a server whose requests are not
    /// packets.
    pub fn packet(&self) -> Option<&Arc<Packet>> {
        match &self.request {
            OpenRequest::Datagram(packet) => Some(packet),
            _ => None,
        }
    }

    /// The request itself, on a server of [`Raw`](crate::transport::Raw) requests; `None` if it is
    /// not an `R`.
    pub fn raw<R: Any>(&self) -> Option<&R> {
        match &self.request {
            OpenRequest::Raw(request) => request.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failed.fmt(f)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure().error().and_then(Error::source)
    }
}

/// Prints a failed request to standard error; nothing, if the client merely
/// [went away](RequestError::is_disconnect), or if the server was closed and
/// [cut it](RequestError::is_cut), which [`drain`](crate::Server::drain) reports.
///
/// This is the whole of the default [`handle_error`](BaseServer::handle_error), public so that an
/// override can still call it. It writes all lines at once, so those of two threads do not mix.
pub fn print_error(error: &RequestError, client_address: &Address) {
    use std::fmt::Write;
    use std::io::Write as _;

    // Of a request that was cut, `finish` may well find that the client is gone by now.
    let is_ordinary = |failure: &Failure| failure.is_disconnect() || failure.is_cut();
    if is_ordinary(error.failure()) && error.context().is_none_or(is_ordinary) {
        return;
    }
    let rule = "-".repeat(40);
    let mut text = format!(
        "{rule}\nException occurred during processing of request from {client_address}\n  {error}\n"
    );
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(text, "  caused by: {error}");
        cause = error.source();
    }
    if let Some(context) = error.context() {
        let _ = writeln!(text, "  while cleaning up after: {context}");
    }
    let _ = writeln!(text, "{rule}");
    // Nobody is left to tell that standard error is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
