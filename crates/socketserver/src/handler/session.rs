use std::sync::Arc;

use super::{Context, HandlerFn, RequestHandler, run_phases};
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::{Failed, Result};
use crate::transport::Session;

/// Handles one session of a server over [`Sessions`](crate::transport::Sessions): everything that
/// one peer sends.
///
/// A new value is made for each session; see [`StreamRequestHandler`](crate::StreamRequestHandler)
/// for what holds for the methods of both. When `handle` returns, the session is over, and what the
/// peer sends then begins another.
pub trait SessionRequestHandler<S = ()> {
    /// Prepares for `handle`. If this fails, neither `handle` nor `finish` is called. By default
    /// it does nothing.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`.
    fn setup(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        let _ = request;
        Ok(())
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, after `finish` has been called.
    fn handle(&mut self, request: &mut SessionRequest<'_, S>) -> Result;

    /// Cleans up after `handle`, whether it succeeded, failed or panicked. By default nothing.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, with those of `handle` as their context.
    fn finish(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        let _ = request;
        Ok(())
    }
}

/// Says that a [`RequestHandler`] is one as a [`SessionRequestHandler`].
#[derive(Debug)]
pub enum ViaSession {}

impl<H, S> RequestHandler<Session, S, ViaSession> for H
where
    H: SessionRequestHandler<S> + ?Sized,
{
    fn run(&mut self, session: Arc<Session>, context: Context<'_, S>) -> Result<(), Failed> {
        let Context { client_address, server, shutdown_handle, .. } = context;
        let mut request =
            SessionRequest { session: &session, client_address, server, shutdown_handle };
        run_phases(self, &mut request, H::setup, H::handle, |_, _| {}, H::finish)
    }
}

impl<H: SessionRequestHandler<S> + ?Sized, S> SessionRequestHandler<S> for Box<H> {
    fn setup(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        (**self).setup(request)
    }

    fn handle(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        (**self).handle(request)
    }

    fn finish(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        (**self).finish(request)
    }
}

impl<F, S> SessionRequestHandler<S> for HandlerFn<F>
where
    F: Fn(&mut SessionRequest<'_, S>) -> Result,
{
    fn handle(&mut self, request: &mut SessionRequest<'_, S>) -> Result {
        (self.0)(request)
    }
}

/// One session, as its handler sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct SessionRequest<'a, S = ()> {
    /// The session: to keep a clone of, too, or to hand one to another thread.
    pub session: &'a Arc<Session>,
    /// The peer's address.
    pub client_address: &'a Address,
    /// The server: shared state and overridden hooks.
    pub server: &'a S,
    /// Stops the server.
    pub shutdown_handle: &'a ShutdownHandle,
}
