use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use socketserver::mixin::{MixIn, PendingRequest, Unprocessed};
use socketserver::transport::{Kind, ServerBind, Tombstone, Transport};
use socketserver::{Address, Result};
use testkit::Trace;

/// A transport that takes note of what is called, and calls another.
#[derive(Debug)]
pub(crate) struct Noted<T>(pub(crate) T, pub(crate) Arc<Trace>);

impl<T: Transport> Transport for Noted<T> {
    type Kind = T::Kind;
    type Socket = T::Socket;
    type Request = T::Request;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        self.0.server_activate(socket)
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        self.0.server_address(socket)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Self::Request>, Address)> {
        let request = self.0.get_request(socket)?;
        self.1.note("get_request");
        Ok(request)
    }

    fn connection(&self, request: &Arc<Self::Request>) -> Arc<<Self::Kind as Kind>::Request> {
        self.0.connection(request)
    }

    fn open(
        &self,
        request: &Arc<Self::Request>,
        client_address: &mut Address,
    ) -> Result<Arc<<Self::Kind as Kind>::Request>> {
        self.1.note("open");
        self.0.open(request, client_address)
    }

    fn shutdown_request(&self, request: &Self::Request) {
        self.1.note("shutdown_request");
        self.0.shutdown_request(request);
    }

    fn close_request(&self, request: Arc<Self::Request>) {
        self.1.note("close_request");
        self.0.close_request(request);
    }

    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        self.0.server_close(socket, tombstone)
    }

    fn after_fork_in_child(&self, socket: &Self::Socket, tombstone: &Tombstone) {
        self.0.after_fork_in_child(socket, tombstone);
    }
}

impl<A, T: ServerBind<A>> ServerBind<A> for Noted<T> {
    fn server_bind(&self, address: A) -> io::Result<Self::Socket> {
        self.0.server_bind(address)
    }
}

/// A mix-in that takes note of each request, and gives it to another.
#[derive(Debug)]
pub(crate) struct NotedMixIn<M>(pub(crate) M, pub(crate) Arc<Trace>);

impl<P: PendingRequest, M: MixIn<P>> MixIn<P> for NotedMixIn<M> {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        self.1.note("process_request");
        self.0.process_request(request)
    }

    fn server_activate(&self) -> io::Result<()> {
        self.0.server_activate()
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.0.fileno()
    }

    fn service_actions(&self) {
        self.0.service_actions();
    }

    fn server_close(&self) {
        self.0.server_close();
    }
}
