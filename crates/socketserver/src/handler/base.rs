use std::sync::Arc;

use super::{Context, RequestHandler, run_phases};
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::{Failed, Result};
use crate::transport::{Kind, Stream};

/// Handles one request as it is, without `rfile` and `wfile`: Python's `BaseRequestHandler`.
///
/// `K` is the transport's kind: [`Stream`] (the request is a
/// [`Connection`](crate::transport::Connection)), [`Datagram`](crate::transport::Datagram) (a
/// [`Packet`](crate::transport::Packet)) or [`Raw<R>`](crate::transport::Raw) (an `R`).
///
/// ```
/// use socketserver::transport::Stream;
/// use socketserver::{BaseRequest, BaseRequestHandler, Result, TcpServer};
///
/// struct Greeter;
///
/// impl BaseRequestHandler<Stream> for Greeter {
///     fn handle(&mut self, request: &mut BaseRequest<'_, Stream>) -> Result {
///         Ok(request.request.send_all(b"hello\n")?)
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let server = TcpServer::bind("127.0.0.1:0", || Greeter)?;
/// # server.shutdown_handle().request_shutdown();
/// server.serve_forever()
/// # }
/// ```
///
/// The methods are called as those of [`StreamRequestHandler`](crate::StreamRequestHandler) are.
pub trait BaseRequestHandler<K: Kind = Stream, S = ()> {
    /// Prepares for `handle`. If this fails, neither `handle` nor `finish` is called.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`.
    fn setup(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result {
        let _ = request;
        Ok(())
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, after `finish` has been called.
    fn handle(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result;

    /// Cleans up after `handle`, whether it succeeded, failed or panicked. By default nothing.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, with those of `handle` as their context.
    fn finish(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result {
        let _ = request;
        Ok(())
    }
}

/// Says that a [`RequestHandler`] is one as a [`BaseRequestHandler`].
#[derive(Debug)]
pub enum ViaBase {}

impl<H, K, S> RequestHandler<K, S, ViaBase> for H
where
    H: BaseRequestHandler<K, S> + ?Sized,
    K: Kind,
{
    fn run(&mut self, request: Arc<K::Request>, context: Context<'_, S>) -> Result<(), Failed> {
        let Context { client_address, server, shutdown_handle, shared } = context;
        let mut request = BaseRequest { request, client_address, server, shutdown_handle, shared };
        run_phases(self, &mut request, H::setup, H::handle, |_, _| {}, H::finish)
    }
}

impl<H, K, S> BaseRequestHandler<K, S> for Box<H>
where
    H: BaseRequestHandler<K, S> + ?Sized,
    K: Kind,
{
    fn setup(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result {
        (**self).setup(request)
    }

    fn handle(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result {
        (**self).handle(request)
    }

    fn finish(&mut self, request: &mut BaseRequest<'_, K, S>) -> Result {
        (**self).finish(request)
    }
}

/// One request, as it is.
#[non_exhaustive]
pub struct BaseRequest<'a, K: Kind, S = ()> {
    /// The request itself: a connection, a packet, or what the transport makes.
    pub request: Arc<K::Request>,
    /// The client's address.
    pub client_address: &'a Address,
    /// The server: shared state and overridden hooks.
    pub server: &'a S,
    /// Stops the server.
    pub shutdown_handle: &'a ShutdownHandle,
    shared: &'a super::Shared,
}

impl<K: Kind, S> BaseRequest<'_, K, S> {
    /// Whether the server has been closed and will not wait for this request any longer.
    pub fn is_cut(&self) -> bool {
        self.shared.is_cut()
    }
}

impl<K: Kind, S> std::fmt::Debug for BaseRequest<'_, K, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseRequest")
            .field("client_address", &self.client_address)
            .finish_non_exhaustive()
    }
}
