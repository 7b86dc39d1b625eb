//! The server under test, with every hook that a user's crate may override traced.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socketserver::mixin::{MixIn, PendingRequest, Unprocessed};
use socketserver::transport::{Kind, ServerBind, Tombstone, Transport};
use socketserver::{Address, BaseServer, Failed, Failure, FinishRequest, RequestError, Result};

use super::behaviour::Behaviour;
use super::tracing::{kind, this_is_request, this_takes_requests, trace, trace_of, trace_this};

/// What hooks do that are told to.
impl Behaviour {
    /// # Panics
    ///
    /// If the hook is told to.
    fn may_panic(&self, hook: &str) {
        assert!(!self.is(hook, "panic"), "told to");
    }

    /// # Errors
    ///
    /// If the hook is told to fail.
    fn may_fail(&self, hook: &str) -> io::Result<()> {
        self.may_panic(hook);
        if self.is(hook, "fail") { Err(io::Error::other("told to")) } else { Ok(()) }
    }
}

/// How often `service_actions` is traced after each command: a loop that spins must not flood.
const PASSES_TRACED: u32 = 8;

/// A transport whose methods are traced, and whose requests have numbers.
#[derive(Debug)]
pub(super) struct Traced<T> {
    pub(super) inner: T,
    pub(super) behaviour: Arc<Behaviour>,
    pub(super) last: AtomicU32,
}

/// A request with its number.
#[derive(Debug)]
pub(super) struct Numbered<R> {
    number: u32,
    request: Arc<R>,
}

impl<T: Transport> Transport for Traced<T> {
    type Kind = T::Kind;
    type Socket = T::Socket;
    type Request = Numbered<T::Request>;

    fn server_activate(&self, socket: &T::Socket) -> io::Result<()> {
        trace("server_activate");
        self.behaviour.may_fail("server_activate")?;
        self.inner.server_activate(socket)
    }

    fn server_address(&self, socket: &T::Socket) -> io::Result<Address> {
        self.inner.server_address(socket)
    }

    fn get_request(&self, socket: &T::Socket) -> io::Result<(Arc<Self::Request>, Address)> {
        let (request, client_address) = self.inner.get_request(socket)?;
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        this_takes_requests();
        this_is_request(number);
        trace_of(number, "get_request");
        if self.behaviour.get("get_request").is_some() {
            self.inner.close_request(request);
            trace_of(number, "~closed");
            self.behaviour.may_panic("get_request");
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok((Arc::new(Numbered { number, request }), client_address))
    }

    fn connection(&self, request: &Arc<Self::Request>) -> Arc<<T::Kind as Kind>::Request> {
        self.inner.connection(&request.request)
    }

    fn open(
        &self,
        request: &Arc<Self::Request>,
        client_address: &mut Address,
    ) -> Result<Arc<<T::Kind as Kind>::Request>> {
        this_is_request(request.number);
        self.inner.open(&request.request, client_address)
    }

    fn shutdown_request(&self, request: &Self::Request) {
        trace_of(request.number, "shutdown_request");
        self.inner.shutdown_request(&request.request);
        self.behaviour.may_panic("shutdown_request");
    }

    fn close_request(&self, request: Arc<Self::Request>) {
        let number = request.number;
        trace_of(number, "close_request");
        self.inner.close_request(Arc::clone(&request.request));
        drop(request);
        trace_of(number, "~closed");
        self.behaviour.may_panic("close_request");
    }

    fn server_close(&self, socket: &T::Socket, tombstone: &Tombstone) -> io::Result<()> {
        self.inner.server_close(socket, tombstone)
    }

    fn after_fork_in_child(&self, socket: &T::Socket, tombstone: &Tombstone) {
        self.inner.after_fork_in_child(socket, tombstone);
    }
}

impl<A, T: ServerBind<A>> ServerBind<A> for Traced<T> {
    fn server_bind(&self, address: A) -> io::Result<T::Socket> {
        trace("server_bind");
        self.inner.server_bind(address)
    }
}

/// A mix-in whose `process_request` is traced.
///
/// One that takes requests by itself does so here too, unless `process_request` is told to fail:
/// then it is overridden, which takes that it is called.
#[derive(Debug)]
pub(super) struct TracedMixIn<M> {
    pub(super) inner: M,
    pub(super) behaviour: Arc<Behaviour>,
}

impl<P: PendingRequest, M: MixIn<P>> MixIn<P> for TracedMixIn<M> {
    fn process_request(&self, request: P) -> std::result::Result<(), Unprocessed<P>> {
        trace_this("process_request");
        match self.behaviour.may_fail("process_request") {
            Ok(()) => self.inner.process_request(request),
            Err(error) => Err(Unprocessed { request, error }),
        }
    }

    fn server_activate(&self) -> io::Result<()> {
        self.inner.server_activate()
    }

    fn start_accepting(&self, acceptor: &P::Acceptor) -> io::Result<bool> {
        if self.behaviour.get("process_request").is_some() {
            return Ok(false);
        }
        self.inner.start_accepting(acceptor)
    }

    fn stop_accepting(&self) {
        self.inner.stop_accepting();
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fileno()
    }

    fn service_actions(&self) {
        self.inner.service_actions();
    }

    fn handle_timeout(&self) {
        self.inner.handle_timeout();
    }

    fn block_on_close(&self) -> bool {
        self.inner.block_on_close()
    }

    fn running(&self) -> usize {
        self.inner.running()
    }

    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        self.inner.cut(force)
    }

    fn server_close(&self) {
        self.inner.server_close();
    }
}

/// The server's hooks and state.
#[derive(Debug)]
pub(super) struct Hooks {
    pub(super) behaviour: Arc<Behaviour>,
    /// Turns of the loop since the last command.
    pub(super) passes: Arc<AtomicU32>,
}

impl<T: Transport> BaseServer<Traced<T>> for Hooks {
    fn verify_request(&self, request: &Numbered<T::Request>, _: &Address) -> bool {
        trace_of(request.number, "verify_request");
        self.behaviour.may_panic("verify_request");
        !self.behaviour.is("verify_request", "false")
    }

    fn finish_request(
        &self,
        request: FinishRequest<'_, T::Kind, Self>,
    ) -> std::result::Result<(), Failed> {
        trace_this("finish_request");
        self.behaviour.may_fail("finish_request")?;
        request.finish()
    }

    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        let kind = match error.failure() {
            Failure::Panic(_) => "fault".to_owned(),
            failure => kind(failure.error()),
        };
        trace_this(format_args!("handle_error:{kind}"));
        self.behaviour.may_panic("handle_error");
        if self.behaviour.is("handle_error", "reply") {
            if let Some(connection) = error.connection() {
                let _ = connection.send_all(b"sorry\n");
            }
            if let Some(packet) = error.packet() {
                let _ = packet.send_to(b"sorry\n", client_address);
            }
        }
    }

    fn handle_timeout(&self) {
        trace("handle_timeout");
        self.behaviour.may_panic("handle_timeout");
    }

    fn service_actions(&self) {
        if self.passes.fetch_add(1, Ordering::Relaxed) < PASSES_TRACED {
            trace("~pass");
            trace("~select");
        }
        self.behaviour.may_panic("service_actions");
    }

    fn server_close(&self) {
        trace("server_close");
        trace("~unbound");
    }
}
