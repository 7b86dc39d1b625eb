use std::io;
use std::sync::Arc;

use super::{Kind, ServerBind, Tombstone, Transport};
use crate::address::Address;
use crate::error::Result;

/// A transport that wraps another and overrides some of its methods: Python's subclass of a
/// server, where it touches the socket.
///
/// What is not overridden is the wrapped one's; an override calls [`inner`](Self::inner) for what
/// Python's `super()` does. Whoever implements it has implemented [`Transport`], and
/// [`ServerBind`] for the addresses of the wrapped one.
///
/// ```
/// use std::io;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use socketserver::transport::{Tcp, Transport, Wrap};
/// use socketserver::{Address, StreamRequest, TcpServer, handler_fn};
///
/// struct Counted {
///     inner: Tcp,
///     requests: AtomicU64,
/// }
///
/// impl Wrap for Counted {
///     type Inner = Tcp;
///
///     fn inner(&self) -> &Tcp {
///         &self.inner
///     }
///
///     fn get_request(
///         &self,
///         socket: &<Tcp as Transport>::Socket,
///     ) -> io::Result<(Arc<<Tcp as Transport>::Request>, Address)> {
///         self.requests.fetch_add(1, Ordering::Relaxed);
///         self.inner.get_request(socket)
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let server = TcpServer::builder(handler_fn(|_: &mut StreamRequest<'_>| Ok(())))
///     .transport(|inner| Counted { inner, requests: AtomicU64::new(0) })
///     .bind("127.0.0.1:0")?;
/// # server.shutdown_handle().request_shutdown();
/// # server.serve_forever()
/// # }
/// ```
pub trait Wrap {
    /// The transport that is wrapped.
    type Inner: Transport;

    /// The transport that is wrapped.
    fn inner(&self) -> &Self::Inner;

    /// See [`ServerBind::server_bind`].
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_bind<A>(&self, address: A) -> io::Result<<Self::Inner as Transport>::Socket>
    where
        Self::Inner: ServerBind<A>,
    {
        self.inner().server_bind(address)
    }

    /// See [`Transport::server_activate`].
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_activate(&self, socket: &<Self::Inner as Transport>::Socket) -> io::Result<()> {
        self.inner().server_activate(socket)
    }

    /// See [`Transport::server_address`].
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_address(&self, socket: &<Self::Inner as Transport>::Socket) -> io::Result<Address> {
        self.inner().server_address(socket)
    }

    /// See [`Transport::get_request`].
    ///
    /// # Errors
    ///
    /// As there.
    fn get_request(
        &self,
        socket: &<Self::Inner as Transport>::Socket,
    ) -> io::Result<(Arc<<Self::Inner as Transport>::Request>, Address)> {
        self.inner().get_request(socket)
    }

    /// See [`Transport::connection`].
    fn connection(&self, request: &Arc<<Self::Inner as Transport>::Request>) -> Shared<Self> {
        self.inner().connection(request)
    }

    /// See [`Transport::open`].
    ///
    /// # Errors
    ///
    /// As there.
    fn open(
        &self,
        request: &Arc<<Self::Inner as Transport>::Request>,
        client_address: &mut Address,
    ) -> Result<Shared<Self>> {
        self.inner().open(request, client_address)
    }

    /// See [`Transport::shutdown_request`].
    fn shutdown_request(&self, request: &<Self::Inner as Transport>::Request) {
        self.inner().shutdown_request(request);
    }

    /// See [`Transport::close_request`].
    fn close_request(&self, request: Arc<<Self::Inner as Transport>::Request>) {
        self.inner().close_request(request);
    }

    /// See [`Transport::server_close`].
    ///
    /// # Errors
    ///
    /// As there.
    fn server_close(
        &self,
        socket: &<Self::Inner as Transport>::Socket,
        tombstone: &Tombstone,
    ) -> io::Result<()> {
        self.inner().server_close(socket, tombstone)
    }

    /// See [`Transport::after_fork_in_child`].
    fn after_fork_in_child(
        &self,
        socket: &<Self::Inner as Transport>::Socket,
        tombstone: &Tombstone,
    ) {
        self.inner().after_fork_in_child(socket, tombstone);
    }
}

/// The request of a wrapped transport, as its handler sees it.
type Shared<W> = Arc<<<<W as Wrap>::Inner as Transport>::Kind as Kind>::Request>;

impl<W: Wrap> Transport for W {
    type Kind = <W::Inner as Transport>::Kind;
    type Socket = <W::Inner as Transport>::Socket;
    type Request = <W::Inner as Transport>::Request;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        Wrap::server_activate(self, socket)
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        Wrap::server_address(self, socket)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Self::Request>, Address)> {
        Wrap::get_request(self, socket)
    }

    fn feeds(&self) -> bool {
        self.inner().feeds()
    }

    fn feed(&self, socket: &Self::Socket) -> io::Result<()> {
        self.inner().feed(socket)
    }

    fn has_requests(&self, socket: &Self::Socket) -> bool {
        self.inner().has_requests(socket)
    }

    fn read_ahead(&self, socket: &Self::Socket) {
        self.inner().read_ahead(socket);
    }

    fn is_drained(&self, socket: &Self::Socket) -> bool {
        self.inner().is_drained(socket)
    }

    fn take_fallback(&self, socket: &Self::Socket) -> Option<&'static str> {
        self.inner().take_fallback(socket)
    }

    fn connection(&self, request: &Arc<Self::Request>) -> Shared<W> {
        Wrap::connection(self, request)
    }

    fn open(
        &self,
        request: &Arc<Self::Request>,
        client_address: &mut Address,
    ) -> Result<Shared<W>> {
        Wrap::open(self, request, client_address)
    }

    fn shutdown_request(&self, request: &Self::Request) {
        Wrap::shutdown_request(self, request);
    }

    fn close_request(&self, request: Arc<Self::Request>) {
        Wrap::close_request(self, request);
    }

    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        Wrap::server_close(self, socket, tombstone)
    }

    fn after_fork_in_child(&self, socket: &Self::Socket, tombstone: &Tombstone) {
        Wrap::after_fork_in_child(self, socket, tombstone);
    }
}

impl<W, A> ServerBind<A> for W
where
    W: Wrap,
    W::Inner: ServerBind<A>,
{
    fn server_bind(&self, address: A) -> io::Result<Self::Socket> {
        Wrap::server_bind(self, address)
    }
}
