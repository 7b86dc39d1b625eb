use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::{Context, RequestHandler, Rfile, Shared, Wfile, WriteMode, run_phases};
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::{Failed, Result};
use crate::transport::{Connection, Stream};
use crate::wait::before_wait;

/// Handles one connection of a stream server: Python's `StreamRequestHandler`.
///
/// A new value is made for each connection, by the function given to the server, on the thread
/// that runs it; so its fields are the connection's own, and it need not be `Send`.
///
/// `S` is the type of the server's shared state, reached as [`StreamRequest::server`]. All
/// methods run on the same thread, or in the same child process; the connection is open in all
/// of them, and is shut down and closed after `finish`. An error or a panic of one goes to
/// [`handle_error`](crate::BaseServer::handle_error), while the connection is still open.
pub trait StreamRequestHandler<S = ()> {
    /// Prepares for `handle`. If this fails, neither `handle` nor `finish` is called. By default
    /// it does nothing.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`.
    fn setup(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        let _ = request;
        Ok(())
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, after `finish` has been called.
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result;

    /// Cleans up after `handle`, whether it succeeded, failed or panicked. By default just
    /// [`StreamRequest::flush`].
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, with those of `handle` as their context.
    fn finish(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        request.flush()
    }

    /// How long one read or one write may wait; it then fails with
    /// [`TimedOut`](std::io::ErrorKind::TimedOut). For ever by default. Read before `setup`.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// How many bytes `rfile` reads ahead. 8 KiB by default. With 0 it reads not a byte more than
    /// it is asked for, so that the descriptor can be handed on. Read before `setup`.
    fn rbufsize(&self) -> usize {
        8 * 1024
    }

    /// When what is written to `wfile` goes out. [`WriteMode::Auto`] by default: at once, and in a
    /// coroutine when the handler is about to wait. Read before `setup`.
    fn wbufsize(&self) -> WriteMode {
        WriteMode::Auto
    }

    /// Whether to send small packets at once (`TCP_NODELAY`). Off by default; without effect on
    /// a Unix socket, which knows no other way. Read before `setup`.
    fn disable_nagle_algorithm(&self) -> bool {
        false
    }
}

/// Says that a [`RequestHandler`] is one as a [`StreamRequestHandler`].
#[derive(Debug)]
pub enum ViaStream {}

impl<H, S> RequestHandler<Stream, S, ViaStream> for H
where
    H: StreamRequestHandler<S> + ?Sized,
{
    fn run(
        &mut self,
        connection: Arc<dyn Connection>,
        context: Context<'_, S>,
    ) -> Result<(), Failed> {
        let Context { client_address, server, shutdown_handle, shared } = context;
        if let Some(timeout) = self.timeout() {
            connection.set_timeout(Some(timeout))?;
        }
        if self.disable_nagle_algorithm() {
            connection.set_nodelay(true)?;
        }
        let wfile = Wfile::new(Arc::clone(&connection), self.wbufsize(), Arc::clone(shared));
        let is_until_wait = wfile.is_until_wait();
        let rbufsize = self.rbufsize();
        let rfile =
            Rfile::new(Arc::clone(&connection), rbufsize, Arc::clone(shared), is_until_wait);
        // Nothing that is held back stays so while the handler waits for something else than the
        // client.
        let (held, client) = (&shared.held, Arc::clone(&connection));
        let send = || held.send_before_wait(&*client);
        let mut request = StreamRequest {
            rfile,
            wfile,
            client_address,
            server,
            shutdown_handle,
            connection,
            shared,
        };
        match is_until_wait {
            true => before_wait(&send, || run(self, &mut request)),
            false => run(self, &mut request),
        }
    }
}

fn run<H, S>(handler: &mut H, request: &mut StreamRequest<'_, S>) -> Result<(), Failed>
where
    H: StreamRequestHandler<S> + ?Sized,
{
    let result = run_phases(handler, request, H::setup, H::handle, |_, _| {}, H::finish);
    // A client that did not take it in time will not now either.
    if result.as_ref().is_err_and(|failed| failed.failure.is_timeout()) {
        return result;
    }
    // A `finish` of the handler's own may have left it out; and nothing written is lost.
    match request.flush() {
        Err(error) if result.is_ok() => Err(error.into()),
        _ => result,
    }
}

impl<H: StreamRequestHandler<S> + ?Sized, S> StreamRequestHandler<S> for Box<H> {
    fn setup(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        (**self).setup(request)
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        (**self).handle(request)
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        (**self).finish(request)
    }

    fn timeout(&self) -> Option<Duration> {
        (**self).timeout()
    }

    fn rbufsize(&self) -> usize {
        (**self).rbufsize()
    }

    fn wbufsize(&self) -> WriteMode {
        (**self).wbufsize()
    }

    fn disable_nagle_algorithm(&self) -> bool {
        (**self).disable_nagle_algorithm()
    }
}

/// One connection, as its handler sees it.
///
/// The fields are public so that a handler may borrow several at once, usually by
/// `let StreamRequest { rfile, wfile, .. } = request;`.
#[derive(Debug)]
#[non_exhaustive]
pub struct StreamRequest<'a, S = ()> {
    /// Reads from the client.
    pub rfile: Rfile,
    /// Writes to the client.
    pub wfile: Wfile,
    /// The client's address.
    pub client_address: &'a Address,
    /// The server: shared state and overridden hooks.
    pub server: &'a S,
    /// Stops the server.
    pub shutdown_handle: &'a ShutdownHandle,
    connection: Arc<dyn Connection>,
    shared: &'a Shared,
}

impl<S> StreamRequest<'_, S> {
    /// The connection under `rfile` and `wfile`, to keep or to hand to another thread.
    ///
    /// The client sees the end of the connection when the request ends all the same; the
    /// descriptor is closed when the last clone is dropped.
    pub fn connection(&self) -> &Arc<dyn Connection> {
        &self.connection
    }

    /// Sends what `wfile` holds back, and does not mind if the client is gone: the whole of the
    /// default [`finish`](StreamRequestHandler::finish).
    ///
    /// # Errors
    ///
    /// Those of [`Connection::send`] that do not mean that the client is gone, such as
    /// `TimedOut`.
    pub fn flush(&mut self) -> Result {
        match self.wfile.flush() {
            Err(error) if !crate::error::is_disconnect(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the server has been closed and will not wait for this request any longer. Its
    /// reads and writes fail then.
    pub fn is_cut(&self) -> bool {
        self.shared.is_cut()
    }
}
