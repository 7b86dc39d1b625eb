//! The engine: [`Server`] and how it is made, its loops, its end.

mod accept;
mod acceptor;
mod background;
mod builder;
mod close;
mod core;
mod live;
mod options;
mod pending;
mod serve;
mod session_options;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::accept::Accepting;
pub use self::acceptor::ServerAcceptor;
pub use self::background::Background;
pub use self::builder::{BoundServer, Builder};
pub use self::close::{CutRequest, DrainReport};
use self::core::Core;
pub use self::pending::Pending;
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::handler::RequestHandler;
use crate::mixin::MixIn;
use crate::transport::{ServerBind, Transport};

/// A bound server: the methods for the caller, Python's `BaseServer`.
///
/// `T` is what the socket is, `M` who runs a request, `H` what a request does, and `S` what the
/// server decides and shares. See the aliases, such as
/// [`ThreadingTcpServer`](crate::ThreadingTcpServer), for the usual combinations.
///
/// All methods take `&self`, and a server whose state is `Sync` is `Sync`: one thread may serve
/// while another closes. Dropping a server closes its socket, and waits for nothing;
/// [`server_close`](Self::server_close) waits.
pub struct Server<T: Transport, M, H, S = ()> {
    core: Arc<Core<T, S>>,
    mixin: M,
    timeout: Option<Duration>,
    poll_interval: Option<Duration>,
    /// What a caller's own loop has seen of errors.
    accepting: Mutex<Accepting>,
    handler: PhantomData<fn() -> H>,
}

impl<T: Transport, M, H> Server<T, M, H> {
    /// Binds a server with default settings and no state of its own.
    ///
    /// `handler` is called for each request, where it runs, as Python calls its
    /// `RequestHandlerClass`.
    ///
    /// # Errors
    ///
    /// Says what could not be bound, and why. Nothing is left open.
    pub fn bind<A, Via>(
        address: A,
        handler: impl Fn() -> H + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        T: ServerBind<A> + Default,
        M: MixIn<Pending<T, ()>> + Default,
        H: RequestHandler<T::Kind, (), Via> + 'static,
    {
        Self::builder(handler).bind(address)
    }

    /// Starts to build a server that needs more than an address and a handler.
    pub fn builder(handler: impl Fn() -> H + Send + Sync + 'static) -> Builder<T, M, H, ()>
    where
        T: Default,
        M: Default,
    {
        Builder::new(T::default(), M::default(), Box::new(handler))
    }
}

impl<T: Transport, M, H, S> Server<T, M, H, S> {
    /// Stops `serve_forever`, running on another thread, and waits until it has returned; see
    /// [`ShutdownHandle::shutdown`].
    pub fn shutdown(&self) {
        self.core.shutdown_handle.shutdown();
    }

    /// A handle that can stop this server from anywhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.core.shutdown_handle.clone()
    }

    /// The address that the server is bound to: a port given as 0 is the real one here.
    pub fn server_address(&self) -> &Address {
        &self.core.server_address
    }

    /// The server's state and overridden hooks.
    pub fn server(&self) -> &S {
        &self.core.server
    }

    /// The server's own socket, to set options on, say.
    pub fn socket(&self) -> &T::Socket {
        &self.core.socket
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.core.transport
    }

    /// The mix-in: the children of [`Forking`](crate::mixin::Forking), say.
    pub fn mixin(&self) -> &M {
        &self.mixin
    }

    /// How many requests run in this process at the moment.
    pub fn active_requests(&self) -> usize {
        self.core.live.len()
    }

    /// The descriptor to watch for requests in an event loop of one's own.
    ///
    /// When it is readable, [`handle_request_noblock`](Self::handle_request_noblock) handles one.
    /// [`poll_set`](Self::poll_set) tells what to watch besides, and when to leave it alone.
    /// After [`server_close`](Self::server_close) the number is still the server's, and every
    /// use of it fails with `EBADF`.
    pub fn fileno(&self) -> BorrowedFd<'_> {
        self.core.socket.as_fd()
    }

    /// Whether the server has been closed.
    pub fn is_closed(&self) -> bool {
        self.core.shutdown_handle.0.is_closed()
    }
}

impl<T: Transport, M, H, S> AsFd for Server<T, M, H, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fileno()
    }
}

impl<T: Transport, M, H, S> AsRawFd for Server<T, M, H, S> {
    fn as_raw_fd(&self) -> RawFd {
        self.fileno().as_raw_fd()
    }
}

impl<T: Transport, M: fmt::Debug, H, S> fmt::Debug for Server<T, M, H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("server_address", self.server_address())
            .field("mixin", &self.mixin)
            .field("timeout", &self.timeout)
            .field("poll_interval", &self.poll_interval)
            .field("active_requests", &self.active_requests())
            .finish_non_exhaustive()
    }
}

impl<T: Transport, M, H, S> Drop for Server<T, M, H, S> {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// What a loop of the caller's own polls for one server; see [`Server::poll_set`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PollSet<'a> {
    /// To be polled for reading: the server's socket, what the mix-in waits for, and what wakes
    /// the loop when the server shall stop. When one is readable it is time for
    /// [`Server::handle_request_noblock`].
    pub descriptors: [Option<BorrowedFd<'a>>; 3],
    /// The longest that the loop may wait; `None` for ever.
    pub timeout: Option<Duration>,
}

/// What came of one turn of `handle_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// There was no request after all.
    Nothing,
    /// A request was given to the mix-in.
    Processed,
    /// `verify_request` said no.
    Refused,
    /// A request could not be taken off the socket; the observer was told.
    AcceptFailed,
    /// As many requests run as may.
    Full,
    /// No request came within the timeout.
    TimedOut,
    /// The server has been closed.
    Closed,
}
