use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::{MixIn, PendingRequest, Unprocessed};
use crate::address::Address;

/// A mix-in that wraps another and overrides some of its methods.
///
/// What is not overridden is the wrapped one's; an override calls [`inner`](Self::inner) for what
/// Python's `super()` does. Whoever implements it has implemented [`MixIn`] for all requests that
/// the wrapped one can run. `P` is the request's type, which a method that has none to do with
/// requests needs only to say which implementation of the wrapped one is meant:
/// `MixIn::<P>::has_room(self.inner())`.
///
/// All requests come through [`process_request`](Self::process_request): a wrapped mix-in that
/// would take them off the socket by itself ([`MixIn::start_accepting`]) is not asked to.
pub trait Wrap {
    /// The mix-in that is wrapped.
    type Inner;

    /// The mix-in that is wrapped.
    fn inner(&self) -> &Self::Inner;

    /// See [`MixIn::process_request`].
    ///
    /// # Errors
    ///
    /// As there.
    fn process_request<P>(&self, request: P) -> Result<(), Unprocessed<P>>
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().process_request(request)
    }

    /// See [`MixIn::server_activate`].
    ///
    /// # Errors
    ///
    /// As there.
    fn server_activate<P>(&self) -> io::Result<()>
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().server_activate()
    }

    /// See [`MixIn::has_room`].
    fn has_room<P>(&self) -> bool
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().has_room()
    }

    /// See [`MixIn::service_actions`].
    fn service_actions<P>(&self)
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().service_actions();
    }

    /// See [`MixIn::handle_timeout`].
    fn handle_timeout<P>(&self)
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().handle_timeout();
    }

    /// See [`MixIn::server_close`].
    fn server_close<P>(&self)
    where
        P: PendingRequest,
        Self::Inner: MixIn<P>,
    {
        self.inner().server_close();
    }
}

impl<W, P> MixIn<P> for W
where
    W: Wrap,
    W::Inner: MixIn<P>,
    P: PendingRequest,
{
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        Wrap::process_request(self, request)
    }

    fn server_activate(&self) -> io::Result<()> {
        Wrap::server_activate::<P>(self)
    }

    fn has_room(&self) -> bool {
        Wrap::has_room::<P>(self)
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.inner().fileno()
    }

    fn service_actions(&self) {
        Wrap::service_actions::<P>(self);
    }

    fn handle_timeout(&self) {
        Wrap::handle_timeout::<P>(self);
    }

    fn block_on_close(&self) -> bool {
        self.inner().block_on_close()
    }

    fn running(&self) -> usize {
        self.inner().running()
    }

    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        self.inner().cut(force)
    }

    fn server_close(&self) {
        Wrap::server_close::<P>(self);
    }
}
