use std::fmt;

use super::{DatagramRequest, DatagramRequestHandler, StreamRequest, StreamRequestHandler};
use crate::error::Result;

/// Makes a stream handler of a function: `TcpServer::bind(address, handler_fn(|request| ...))`.
///
/// The function runs once for each connection, on the thread that runs the request. A closure is
/// best written in place, where the types of its arguments are known.
///
/// For packets write a function too, and pass `|| HandlerFn::new(answer)`.
pub fn handler_fn<F, S>(f: F) -> impl Fn() -> HandlerFn<F> + Send + Sync + 'static
where
    F: Fn(&mut StreamRequest<'_, S>) -> Result + Clone + Send + Sync + 'static,
{
    move || HandlerFn(f.clone())
}

/// A handler that calls a function: of a [`StreamRequest`], of a [`DatagramRequest`], or of a
/// [`SessionRequest`](crate::SessionRequest).
///
/// ```
/// use socketserver::{DatagramRequest, HandlerFn, Result, UdpServer};
///
/// fn upper(request: &mut DatagramRequest<'_>) -> Result {
///     request.wfile = request.packet.to_ascii_uppercase();
///     Ok(())
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let server = UdpServer::bind("127.0.0.1:0", || HandlerFn::new(upper))?;
/// # server.shutdown_handle().request_shutdown();
/// server.serve_forever()
/// # }
/// ```
#[derive(Clone)]
pub struct HandlerFn<F>(pub(super) F);

impl<F> HandlerFn<F> {
    /// Makes a handler of a function.
    pub fn new(f: F) -> Self {
        Self(f)
    }
}

impl<F, S> StreamRequestHandler<S> for HandlerFn<F>
where
    F: Fn(&mut StreamRequest<'_, S>) -> Result,
{
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        (self.0)(request)
    }
}

impl<F, S> DatagramRequestHandler<S> for HandlerFn<F>
where
    F: Fn(&mut DatagramRequest<'_, S>) -> Result,
{
    fn handle(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for HandlerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerFn").finish_non_exhaustive()
    }
}
