//! What a server's socket is: binding it, taking requests off it, opening and closing them.
//!
//! These are the methods of Python's `TCPServer`, `UDPServer` and so on that touch the socket.
//! Overriding one of them is wrapping a transport in one of your own that calls it for the rest.

mod connection;
mod datagram_socket;
pub(crate) mod gather;
mod linger;
mod packet;
mod sessions;
mod tcp;
mod udp;
mod unix_datagram;
mod unix_path;
mod unix_stream;
mod wrap;

use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

pub use self::connection::{Connection, UnixStreamExt};
pub use self::datagram_socket::DatagramSocket;
pub use self::packet::{Packet, PacketSocket};
pub use self::sessions::{Session, SessionCounts, SessionEnd, Sessions};
pub use self::tcp::Tcp;
pub use self::udp::Udp;
pub use self::unix_datagram::UnixDatagram;
pub use self::unix_path::Bound;
pub use self::unix_stream::UnixStream;
pub use self::wrap::Wrap;
use crate::address::Address;
use crate::error::Result;
use crate::wait;
pub use socketserver_sys::descriptor::Tombstone;
pub use socketserver_sys::socket::PeerCredentials;

/// A kind of socket, or of anything else that requests come from.
///
/// The required methods are those without which there is no server: where it is, how a request
/// is taken, and what its handler gets.
pub trait Transport {
    /// [`Stream`], [`Datagram`], or [`Raw`] for requests that are neither.
    type Kind: Kind;
    /// The bound socket; its descriptor is readable when there is a request.
    type Socket: AsFd;
    /// What one `get_request` takes off the socket, as the server's hooks see it.
    type Request;

    /// Makes a bound socket ready to give requests: Python's `server_activate`.
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        let _ = socket;
        Ok(())
    }

    /// The address that `socket` is bound to; called once, after
    /// [`server_bind`](ServerBind::server_bind).
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address>;

    /// Takes one request and its sender's address off `socket`: Python's `get_request`.
    ///
    /// Called on the serving thread, or under `Coroutine` on a worker, when the descriptor is
    /// readable. It must neither wait, for the request may be gone, nor talk to the client.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none. For other errors see [the manual](crate::manual::accepting):
    /// those of one client are counted, those of this host make the server pause, and those that
    /// say that the socket is no use any more end the loop.
    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Self::Request>, Address)>;

    /// Whether requests that run are given what comes on the server's own socket, so that it must
    /// be looked at even when no more can be run. By default not.
    #[doc(hidden)]
    fn feeds(&self) -> bool {
        false
    }

    /// Gives what has come to the requests that run, and takes no new one: called instead of
    /// `get_request` when no more can be run.
    #[doc(hidden)]
    fn feed(&self, socket: &Self::Socket) -> io::Result<()> {
        let _ = socket;
        Ok(())
    }

    /// Whether `get_request` gives a request without looking at the socket, for it was taken off
    /// the socket together with an earlier one. By default never.
    ///
    /// Whoever waits for the socket asks this first: such a request does not make it readable.
    fn has_requests(&self, socket: &Self::Socket) -> bool {
        let _ = socket;
        false
    }

    /// Lets `get_request` take several requests off the socket at once from now on, for whoever
    /// calls it asks [`has_requests`](Self::has_requests). By default it does nothing.
    #[doc(hidden)]
    fn read_ahead(&self, socket: &Self::Socket) {
        let _ = socket;
    }

    /// Whether the last `get_request` has seen that there is no more, so that what comes later
    /// makes the socket readable anew. By default it is not known.
    #[doc(hidden)]
    fn is_drained(&self, socket: &Self::Socket) -> bool {
        let _ = socket;
        false
    }

    /// Something that the kernel turned out not to be able to do, and that is done otherwise;
    /// told once. By default nothing.
    #[doc(hidden)]
    fn take_fallback(&self, socket: &Self::Socket) -> Option<&'static str> {
        let _ = socket;
        None
    }

    /// The request as its handler sees it, at once and without waiting.
    fn connection(&self, request: &Arc<Self::Request>) -> Arc<<Self::Kind as Kind>::Request>;

    /// Makes a request ready for its handler, on the thread that will run the handler: the place
    /// for handshakes, which may wait, and which may correct `client_address`.
    ///
    /// By default just [`connection`](Self::connection).
    ///
    /// # Errors
    ///
    /// Whatever it returns goes to `handle_error` as [`Failure::Open`](crate::Failure::Open).
    fn open(
        &self,
        request: &Arc<Self::Request>,
        client_address: &mut Address,
    ) -> Result<Arc<<Self::Kind as Kind>::Request>> {
        let _ = client_address;
        Ok(self.connection(request))
    }

    /// Ends a request, so that the client sees the end: Python's `shutdown_request`.
    ///
    /// Called where the request ran, after its handler or instead of it;
    /// [`close_request`](Self::close_request) follows.
    fn shutdown_request(&self, request: &Self::Request) {
        let _ = request;
    }

    /// Lets go of a request: Python's `close_request`. It is closed when the last clone of its
    /// `Arc` is dropped, and a handler may have kept one.
    ///
    /// A forking server's parent calls this alone, without `shutdown_request`, for the request
    /// goes on in the child.
    fn close_request(&self, request: Arc<Self::Request>) {
        drop(request);
    }

    /// Closes the server's socket: Python's `server_close`. Called once; `socket` is dropped
    /// later, when nobody borrows it any more.
    ///
    /// By default, [`Tombstone::bury`].
    ///
    /// # Errors
    ///
    /// Are ignored, for there is nobody who could do anything about them.
    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        tombstone.bury(socket.as_fd())
    }

    /// Gives up, in a forked child, what is the parent's: the listening socket, above all.
    ///
    /// By default nothing, for a datagram server's child answers on the server's socket.
    fn after_fork_in_child(&self, socket: &Self::Socket, tombstone: &Tombstone) {
        let _ = (socket, tombstone);
    }
}

/// Transports that can bind to an address given as an `A`.
pub trait ServerBind<A>: Transport {
    /// Makes a socket and binds it: Python's `server_bind`.
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction; nothing is left open.
    fn server_bind(&self, address: A) -> io::Result<Self::Socket>;
}

/// A function that sees a socket before it is bound; see
/// [`Builder::before_bind`](crate::Builder::before_bind).
#[derive(Clone, Default)]
pub(crate) struct BeforeBind(Option<Arc<SocketHook>>);

type SocketHook = dyn Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync;

impl BeforeBind {
    pub(crate) fn new(
        hook: impl Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(hook)))
    }

    fn call(&self, socket: impl AsFd) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(socket.as_fd()))
    }
}

impl fmt::Debug for BeforeBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BeforeBind").field(&self.0.is_some()).finish()
    }
}

/// Stream, datagram or raw: decides which handler trait a transport wants.
pub trait Kind: sealed::Sealed + 'static {
    /// What a handler's request is made of.
    type Request: ?Sized + Send + Sync + 'static;

    /// Ends a request from another thread, so that its handler's reads and writes end.
    #[doc(hidden)]
    fn cut(request: &Self::Request);

    /// Takes the request's descriptor as that of the coroutine that runs it, until `release` is
    /// called with what is returned.
    #[doc(hidden)]
    fn adopt(request: &Self::Request) -> Option<RawFd> {
        let _ = request;
        None
    }

    /// Takes no more of what the client sends, so that closing the request waits for none of it.
    #[doc(hidden)]
    fn end_input(request: &Self::Request);

    /// What `handle_error` can get at of a request.
    #[doc(hidden)]
    fn open_request(request: &Arc<Self::Request>) -> OpenRequest;
}

/// A request that is still open, of whichever kind.
#[doc(hidden)]
#[derive(Debug)]
pub enum OpenRequest {
    Stream(Arc<dyn Connection>),
    Datagram(Arc<Packet>),
    Raw(Arc<dyn Any + Send + Sync>),
    None,
}

/// Connections: served by a [`StreamRequestHandler`](crate::StreamRequestHandler).
#[derive(Debug)]
pub enum Stream {}

/// Packets: served by a [`DatagramRequestHandler`](crate::DatagramRequestHandler).
#[derive(Debug)]
pub enum Datagram {}

/// Requests that are neither, such as the rows of a table of jobs: served by a
/// [`BaseRequestHandler`](crate::BaseRequestHandler).
#[derive(Debug)]
pub struct Raw<R>(std::marker::PhantomData<fn() -> R>);

impl Kind for Stream {
    type Request = dyn Connection;

    fn adopt(request: &Self::Request) -> Option<RawFd> {
        wait::adopt(request.as_fd());
        Some(request.as_fd().as_raw_fd())
    }

    fn cut(request: &Self::Request) {
        // It fails when the client has gone, and then there is nothing to cut.
        let _ = request.shutdown(std::net::Shutdown::Both);
    }

    fn end_input(request: &Self::Request) {
        let _ = request.shutdown(std::net::Shutdown::Read);
    }

    fn open_request(request: &Arc<Self::Request>) -> OpenRequest {
        OpenRequest::Stream(Arc::clone(request))
    }
}

impl Kind for Datagram {
    type Request = Packet;

    fn cut(_: &Packet) {}

    fn end_input(_: &Packet) {}

    fn open_request(request: &Arc<Packet>) -> OpenRequest {
        OpenRequest::Datagram(Arc::clone(request))
    }
}

impl<R: Any + Send + Sync> Kind for Raw<R> {
    type Request = R;

    fn cut(_: &R) {}

    fn end_input(_: &R) {}

    fn open_request(request: &Arc<R>) -> OpenRequest {
        OpenRequest::Raw(Arc::clone(request) as Arc<dyn Any + Send + Sync>)
    }
}

/// Names the socket in an error of making it.
fn name_error(error: &io::Error, doing: &str, what: impl fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {doing} {what}: {error}"))
}

/// Refuses a descriptor that is not the kind of socket that a server needs.
fn expect(fd: BorrowedFd<'_>, expected: socketserver_sys::socket::SocketKind) -> io::Result<()> {
    let number = fd.as_raw_fd();
    let wrong = |found: &dyn fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {number} is not a {expected:?} socket: {found}"),
        )
    };
    match socketserver_sys::socket::kind(fd) {
        Ok(kind) if kind == expected => Ok(()),
        Ok(kind) => Err(wrong(&format_args!("it is a {kind:?} socket"))),
        Err(error) => Err(wrong(&error)),
    }
}

mod sealed {
    #[allow(unnameable_types, reason = "that nobody can name it is what seals")]
    pub trait Sealed {}
    impl Sealed for super::Stream {}
    impl Sealed for super::Datagram {}
    impl<R> Sealed for super::Raw<R> {}
}
