use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use super::acceptor::ServerAcceptor;
use super::core::Core;
use super::live::Ticket;
use crate::address::Address;
use crate::error::{Failed, Failure, guard};
use crate::handler::Context;
use crate::hooks::{BaseServer, FinishRequest};
use crate::mixin::{PendingRequest, sealed};
use crate::observe::Event;
use crate::transport::{Kind, Transport};
use crate::wait;

/// A request on its way to its handler: what a [`MixIn`](crate::mixin::MixIn) gets.
pub struct Pending<T: Transport, S> {
    core: Arc<Core<T, S>>,
    /// Taken out by the end of it, whichever that is.
    open: Option<Open<T>>,
    client_address: Address,
    /// In a forked child another thread's lock may be held for ever; so no lock of the server's
    /// is taken there.
    in_child: bool,
}

struct Open<T: Transport> {
    request: Arc<T::Request>,
    ticket: Ticket,
    /// The descriptor that the coroutine has which runs it.
    adopted: Option<RawFd>,
}

impl<T: Transport, S> Pending<T, S> {
    pub(super) fn new(
        core: Arc<Core<T, S>>,
        request: Arc<T::Request>,
        client_address: Address,
    ) -> Self {
        let connection = core.transport.connection(&request);
        let ticket = core.live.add(&connection, &client_address);
        Self {
            core,
            open: Some(Open { request, ticket, adopted: None }),
            client_address,
            in_child: false,
        }
    }

    /// Notes that another thread may run it from now on.
    pub(super) fn give_away(&self) {
        if let Some(Open { ticket, .. }) = &self.open {
            self.core.live.give_away(ticket);
        }
    }

    /// Notes that it is this thread's again.
    pub(super) fn take_back(&self) {
        if let Some(Open { ticket, .. }) = &self.open {
            self.core.live.take_back(ticket);
        }
    }

    /// Python's `shutdown_request` of a request that did not run, unless it has been given away.
    ///
    /// The serving thread does this, so it must not wait for a client that still sends.
    pub(super) fn shutdown(&mut self) {
        if let Some(Open { request, .. }) = &self.open {
            self.core.hook("connection", || {
                <T::Kind as Kind>::end_input(&self.core.transport.connection(request));
            });
        }
        self.end();
    }

    fn end(&mut self) {
        if let Some(Open { request, ticket, adopted }) = self.open.take() {
            self.core.hook("shutdown_request", || self.core.transport.shutdown_request(&request));
            self.close_request(request, &ticket);
            if let Some(fd) = adopted {
                wait::release(fd);
            }
        }
    }

    fn close_request(&self, request: Arc<T::Request>, ticket: &Ticket) {
        self.core.hook("close_request", || self.core.transport.close_request(request));
        if !self.in_child {
            self.core.live.remove(ticket);
        }
    }
}

impl<T: Transport, S: BaseServer<T>> Pending<T, S> {
    pub(super) fn refused(&self) {
        self.core.observe(&Event::Refused { client_address: &self.client_address });
    }

    pub(super) fn verify(&self) -> Result<bool, Failure> {
        let Some(Open { request, .. }) = &self.open else {
            return Ok(false);
        };
        guard(|| Ok(self.core.server.verify_request(request, &self.client_address)))
    }

    /// Gives a failure from before the handler to `handle_error`, with the request still open.
    pub(super) fn fail(&self, failure: Failure) -> Failed {
        let connection =
            self.open.as_ref().map(|open| self.core.transport.connection(&open.request));
        self.core.handle_error(failure, connection.as_ref(), &self.client_address)
    }

    /// Ends a request that nobody could be found to run.
    pub(super) fn not_started(&mut self, error: io::Error) {
        let failed = &self.fail(Failure::Process(error));
        self.shutdown();
        let client_address = &self.client_address;
        self.core.observe(&Event::NotStarted { client_address, failed });
    }

    /// Takes the connection's descriptor as that of the coroutine that calls, if one does.
    fn adopt(&self, open: &Open<T>) -> Option<RawFd> {
        wait::current()?;
        let connection = || self.core.transport.connection(&open.request);
        self.core.hook("connection", || <T::Kind as Kind>::adopt(&connection())).flatten()
    }

    /// `open` and `finish_request`, with `handle_error` after them.
    fn run(&mut self, open: &Open<T>) -> Option<Failed> {
        let core = &self.core;
        let opened = guard(|| core.transport.open(&open.request, &mut self.client_address));
        let connection = match opened {
            Ok(connection) => connection,
            Err(failure) => {
                let failure = match failure {
                    Failure::Handler(error) => Failure::Open(error),
                    other => other,
                };
                let plain = core.transport.connection(&open.request);
                return Some(core.handle_error(failure, Some(&plain), &self.client_address));
            }
        };
        if !self.in_child {
            core.live.begin(&open.ticket, &connection);
        }
        let server = &*core.server;
        let context =
            Context::new(&self.client_address, server, &core.shutdown_handle, &open.ticket.shared);
        let request = FinishRequest::new(Arc::clone(&connection), context, &*core.run);
        // The handler's panics are caught within; this is for those of the hook itself.
        let result = guard(|| Ok(server.finish_request(request)));
        let failed: Failed = match result {
            Ok(Ok(())) => return None,
            Ok(Err(failed)) => failed,
            Err(failure) => failure.into(),
        };
        Some(core.handle_error(failed, Some(&connection), &self.client_address))
    }
}

impl<T: Transport, S: BaseServer<T>> PendingRequest for Pending<T, S> {
    type Acceptor = ServerAcceptor<T, S>;

    fn finish(mut self) -> bool {
        let Some(mut open) = self.open.take() else {
            return false;
        };
        open.adopted = self.adopt(&open);
        self.core.observe(&Event::Started { client_address: &self.client_address });
        let failed = self.run(&open);
        let since = open.ticket.since;
        self.open = Some(open);
        self.end();
        self.core.finished(&self.client_address, since, failed.as_ref());
        failed.is_none()
    }

    fn close(mut self) {
        if let Some(Open { request, ticket, .. }) = self.open.take() {
            self.close_request(request, &ticket);
        }
    }

    fn after_fork_in_child(&mut self) {
        self.in_child = true;
        self.core.after_fork_in_child();
    }

    fn client_address(&self) -> &Address {
        &self.client_address
    }

    fn name(&self) -> &'static str {
        self.core.handler
    }
}

impl<T: Transport, S> sealed::Sealed for Pending<T, S> {}

impl<T: Transport, S> Drop for Pending<T, S> {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl<T: Transport, S> fmt::Debug for Pending<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("client_address", &self.client_address)
            .finish_non_exhaustive()
    }
}
