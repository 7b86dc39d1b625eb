//! A request for each peer of a datagram socket, instead of one for each datagram.

mod session;
mod state;
mod table;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::session::{Session, SessionEnd};
use self::state::Limits;
pub use self::table::SessionCounts;
use self::table::{Given, Table};
use super::{
    Datagram, Kind, OpenRequest, Packet, ServerBind, Tombstone, Transport, Udp, UnixDatagram,
    sealed,
};
use crate::address::Address;
use crate::error::Result;
use crate::wait::Runner;

/// How many datagrams one `get_request` gives to sessions that there are, so that the loop gets to
/// look at what else there is.
const MOST_AT_ONCE: usize = 64;

/// Datagrams as sessions: the request is a [`Session`], one for each peer, to which the peer's
/// datagrams are given as they come.
///
/// `T` is the transport of the datagrams: [`Udp`], [`UnixDatagram`], or one that wraps them. A
/// session's handler waits for datagrams that the server's loop must give to it, so it needs a
/// thread or a coroutine of its own: under [`Synchronous`](crate::mixin::Synchronous) and
/// [`Forking`](crate::mixin::Forking) every session fails with
/// [`Deadlock`](io::ErrorKind::Deadlock). See [the manual](crate::manual::sessions).
#[derive(Debug)]
#[non_exhaustive]
pub struct Sessions<T = Udp> {
    /// The transport of the datagrams.
    pub datagrams: T,
    /// See [`Builder::idle_timeout`](crate::Builder::idle_timeout).
    pub idle_timeout: Option<Duration>,
    /// See [`Builder::max_sessions`](crate::Builder::max_sessions).
    pub max_sessions: usize,
    /// See [`Builder::max_queued`](crate::Builder::max_queued).
    pub max_queued: usize,
    /// See [`Builder::max_amplification`](crate::Builder::max_amplification).
    pub max_amplification: u32,
    /// See [`Builder::answer_verifies`](crate::Builder::answer_verifies).
    pub answer_verifies: bool,
    table: Arc<Table>,
    /// Held from a datagram's being received until its session has it, so that no other of the
    /// same peer's overtakes it on another thread.
    receiving: Mutex<()>,
}

impl<T: Default> Default for Sessions<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Sessions<T> {
    /// Sessions over `datagrams`, with the default settings.
    pub fn new(datagrams: T) -> Self {
        Self {
            datagrams,
            idle_timeout: Some(Duration::from_secs(60)),
            max_sessions: 65_536,
            max_queued: 64,
            max_amplification: 3,
            answer_verifies: false,
            table: Arc::default(),
            receiving: Mutex::default(),
        }
    }

    /// How many sessions there are, and how many datagrams were dropped, and why.
    pub fn counts(&self) -> SessionCounts {
        self.table.counts()
    }

    fn limits(&self) -> Limits {
        Limits {
            idle_timeout: self.idle_timeout,
            queued: self.max_queued,
            amplification: self.max_amplification,
            answer_verifies: self.answer_verifies,
        }
    }
}

/// A packet, and whose it is.
type Received<T> = (Arc<<T as Transport>::Request>, Address);

impl<T> Sessions<T>
where
    T: Transport<Kind = Datagram, Request = Packet>,
{
    /// Receives datagrams and gives them to their sessions, until one begins another; with `feeds`
    /// none may.
    fn receive(&self, socket: &T::Socket, feeds: bool) -> io::Result<(Arc<Session>, Address)> {
        let most = if feeds { 0 } else { self.max_sessions };
        for _ in 0..MOST_AT_ONCE {
            let _receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
            let (packet, address): Received<T> = self.datagrams.get_request(socket)?;
            match self.table.give(packet, &address, most, self.limits()) {
                Given::New(session) => return Ok((session, address)),
                Given::Taken => {}
                Given::Dropped(packet) => self.datagrams.close_request(packet),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl<T, A> ServerBind<A> for Sessions<T>
where
    T: ServerBind<A> + Transport<Kind = Datagram, Request = Packet>,
{
    fn server_bind(&self, address: A) -> io::Result<Self::Socket> {
        self.datagrams.server_bind(address)
    }
}

impl<T> Transport for Sessions<T>
where
    T: Transport<Kind = Datagram, Request = Packet>,
{
    type Kind = Session;
    type Socket = T::Socket;
    type Request = Session;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        for (name, value) in [("max_sessions", self.max_sessions), ("max_queued", self.max_queued)]
        {
            if value == 0 {
                let text = format!("{name} must not be 0");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        self.datagrams.server_activate(socket)
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        self.datagrams.server_address(socket)
    }

    /// The session of a peer that had none. Datagrams of the others are given to their sessions on
    /// the way; `Interrupted` says that there were many, and more may be there.
    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Session>, Address)> {
        self.receive(socket, false)
    }

    fn feeds(&self) -> bool {
        true
    }

    fn feed(&self, socket: &Self::Socket) -> io::Result<()> {
        self.receive(socket, true).map(drop)
    }

    fn has_requests(&self, socket: &Self::Socket) -> bool {
        self.datagrams.has_requests(socket)
    }

    fn read_ahead(&self, socket: &Self::Socket) {
        self.datagrams.read_ahead(socket);
    }

    fn is_drained(&self, socket: &Self::Socket) -> bool {
        self.datagrams.is_drained(socket)
    }

    fn take_fallback(&self, socket: &Self::Socket) -> Option<&'static str> {
        self.datagrams.take_fallback(socket)
    }

    fn connection(&self, request: &Arc<Session>) -> Arc<Session> {
        Arc::clone(request)
    }

    fn open(&self, request: &Arc<Session>, _: &mut Address) -> Result<Arc<Session>> {
        if request.fed_by() == Runner::current() {
            let text = "a session's handler would wait for the loop that runs it: \
                        sessions need a thread or a coroutine each";
            return Err(io::Error::new(io::ErrorKind::Deadlock, text).into());
        }
        Ok(Arc::clone(request))
    }

    fn close_request(&self, request: Arc<Session>) {
        request.close();
    }

    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        let closed = self.datagrams.server_close(socket, tombstone);
        self.table.close();
        closed
    }

    fn after_fork_in_child(&self, socket: &Self::Socket, tombstone: &Tombstone) {
        self.datagrams.after_fork_in_child(socket, tombstone);
    }
}

/// Sessions: served by a [`SessionRequestHandler`](crate::SessionRequestHandler).
impl Kind for Session {
    type Request = Self;

    fn cut(request: &Self) {
        request.cut();
    }

    fn end_input(_: &Self) {}

    fn open_request(request: &Arc<Self>) -> OpenRequest {
        OpenRequest::Raw(Arc::clone(request) as Arc<_>)
    }
}

impl sealed::Sealed for Session {}

impl From<Udp> for Sessions<Udp> {
    fn from(datagrams: Udp) -> Self {
        Self::new(datagrams)
    }
}

impl From<UnixDatagram> for Sessions<UnixDatagram> {
    fn from(datagrams: UnixDatagram) -> Self {
        Self::new(datagrams)
    }
}
