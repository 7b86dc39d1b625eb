use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use socketserver::transport::{Kind, ServerBind, Tombstone, Transport};
use socketserver::{Address, Result};
use testkit::Trace;

use super::{Caller, Hooks, Place, Wire};

/// A transport that notes what is called of it, and then calls the one that it wraps.
#[derive(Debug, Default)]
pub(crate) struct Traced<T> {
    inner: T,
    trace: Arc<Trace>,
}

impl<T: Wire> Wire for Traced<T> {
    type Via = T::Via;
    type Handler = T::Handler;
    const IS_STREAM: bool = T::IS_STREAM;

    fn connect(server: &Address) -> io::Result<Caller> {
        T::connect(server)
    }

    /// Hooks that note in the same trace.
    fn hooks(&self) -> Hooks {
        Hooks { trace: Arc::clone(&self.trace), ..Hooks::default() }
    }
}

impl<T: Wire> ServerBind<&Place> for Traced<T> {
    fn server_bind(&self, place: &Place) -> io::Result<T::Socket> {
        self.trace.note("server_bind");
        self.inner.server_bind(place)
    }
}

impl<T: Wire> Transport for Traced<T> {
    type Kind = T::Kind;
    type Socket = T::Socket;
    type Request = T::Request;

    fn server_activate(&self, socket: &T::Socket) -> io::Result<()> {
        self.trace.note("server_activate");
        self.inner.server_activate(socket)
    }

    fn server_address(&self, socket: &T::Socket) -> io::Result<Address> {
        self.inner.server_address(socket)
    }

    fn get_request(&self, socket: &T::Socket) -> io::Result<(Arc<T::Request>, Address)> {
        let request = self.inner.get_request(socket)?;
        self.trace.note("get_request");
        Ok(request)
    }

    fn connection(&self, request: &Arc<T::Request>) -> Arc<<T::Kind as Kind>::Request> {
        self.inner.connection(request)
    }

    fn open(
        &self,
        request: &Arc<T::Request>,
        client_address: &mut Address,
    ) -> Result<Arc<<T::Kind as Kind>::Request>> {
        self.trace.note("open");
        self.inner.open(request, client_address)
    }

    fn shutdown_request(&self, request: &T::Request) {
        self.trace.note("shutdown_request");
        self.inner.shutdown_request(request);
    }

    fn close_request(&self, request: Arc<T::Request>) {
        self.trace.note("close_request");
        self.inner.close_request(request);
    }

    fn server_close(&self, socket: &T::Socket, tombstone: &Tombstone) -> io::Result<()> {
        self.trace.note("transport.server_close");
        assert!(socket.as_fd().try_clone_to_owned().is_ok(), "the socket is still open");
        self.inner.server_close(socket, tombstone)
    }

    fn after_fork_in_child(&self, socket: &T::Socket, tombstone: &Tombstone) {
        self.inner.after_fork_in_child(socket, tombstone);
    }
}
