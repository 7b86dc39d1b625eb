use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::state::{Gave, Limits, State};
use super::table::Table;
use crate::address::Address;
use crate::error::{disconnected, was_cut};
use crate::transport::Packet;
use crate::transport::datagram_socket::Home;
use crate::wait::{Parker, Runner, Unparker};

/// Everything that one peer sends to a datagram server, and the way back to it.
///
/// All methods take `&self`, and any thread or coroutine may call them. A session ends when its
/// handler has returned, when nothing has been heard of the peer for
/// [`idle_timeout`](crate::Builder::idle_timeout), or when the server is closed; what the peer
/// sends after that begins another.
pub struct Session {
    peer: Address,
    answer: Packet,
    limits: Limits,
    /// Who has made it: the server's loop.
    fed_by: Runner,
    table: Weak<Table>,
    state: Mutex<State>,
}

/// Why a [`Session`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Nothing was heard of the peer for [`idle_timeout`](crate::Builder::idle_timeout).
    Idle,
    /// The server has been closed, so that nothing more can come.
    ServerClosed,
    /// Its handler has returned.
    Closed,
}

impl Session {
    /// A session that begins with `packet`.
    pub(super) fn new(
        packet: Arc<Packet>,
        peer: Address,
        limits: Limits,
        table: &Arc<Table>,
    ) -> Arc<Self> {
        // The kernel vouches for the names of Unix sockets.
        let mut state = State::new(peer.as_inet().is_none());
        let answer = packet.to_answer();
        // Its queue is empty, so there is room.
        let _ = state.give(packet, &limits);
        let (state, table) = (Mutex::new(state), Arc::downgrade(table));
        Arc::new(Self { peer, answer, limits, fed_by: Runner::current(), table, state })
    }

    /// The peer's next datagram; `None` when the session has [ended](Self::end).
    ///
    /// Waits for it, up to `timeout` if there is one: a thread blocks, a coroutine parks. What had
    /// come before the session ended is given first.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the time is over, and the session goes on. `ConnectionAborted` when the
    /// server, being closed, does not wait for the session's handler any longer.
    pub fn recv(&self, timeout: Option<Duration>) -> io::Result<Option<Vec<u8>>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if state.is_cut {
                return Err(was_cut());
            }
            if let Some(packet) = state.take() {
                drop(state);
                return Ok(Some(data(packet)));
            }
            if state.end.is_some() {
                return Ok(None);
            }
            let idle_at = state.idle_at(&self.limits);
            let until = [deadline, idle_at].into_iter().flatten().min();
            let now = until.map(|_| Instant::now());
            if idle_at <= now && idle_at.is_some() {
                state.end = Some(SessionEnd::Idle);
                self.ended(state);
                return Ok(None);
            }
            if deadline <= now && deadline.is_some() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let parker = Parker::new();
            let number = state.wait(parker.unparker());
            drop(state);
            // It is looked anew at what it was that came.
            let _ = parker.park_uncut(until);
            state = self.lock();
            state.waited(number);
        }
    }

    /// Sends one datagram to the peer, from the address that the peer's first was sent to.
    ///
    /// # Errors
    ///
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) when more would be sent than
    /// [`max_amplification`](crate::Builder::max_amplification) times what was received, and the
    /// peer is not [`verified`](Self::verified); nothing is sent then. `NotConnected`, marked as a
    /// [disconnect](crate::Disconnected), when the session's handler has returned. Else as
    /// [`Packet::send_to`].
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.end == Some(SessionEnd::Closed) {
            return Err(disconnected(io::ErrorKind::NotConnected.into()));
        }
        if !state.charge(data.len(), &self.limits) {
            let text = "more would be sent than an unverified peer may cause; \
                        see `Session::verified`";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        drop(state);
        let sent = self.answer.send_to(data, &self.peer);
        if sent.is_err() {
            self.lock().refund(data.len());
        }
        sent
    }

    /// Says that the peer receives what is sent to it: it has returned a secret, say, that was sent
    /// to it. From now on any amount may be sent.
    ///
    /// A datagram alone shows nothing, for whoever sends it may write anybody's address on it; nor
    /// does a second one. Peers of Unix sockets are verified from the beginning.
    pub fn verified(&self) {
        self.lock().is_verified = true;
    }

    /// Whether the peer is [`verified`](Self::verified).
    pub fn is_verified(&self) -> bool {
        self.lock().is_verified
    }

    /// Whose session it is.
    pub fn peer_address(&self) -> &Address {
        &self.peer
    }

    /// Why the session has ended; `None` while it goes on.
    pub fn end(&self) -> Option<SessionEnd> {
        self.lock().end
    }

    /// Whether the datagram that [`recv`](Self::recv) gave last was longer than the server's
    /// `max_packet_size`, and its end is lost.
    pub fn is_truncated(&self) -> bool {
        self.lock().is_truncated
    }

    /// How many datagrams of the peer's were dropped, for as many as may waited already.
    pub fn overflowed(&self) -> u64 {
        self.lock().overflowed
    }

    pub(super) fn fed_by(&self) -> Runner {
        self.fed_by
    }

    /// Takes in a datagram of the peer's.
    pub(super) fn give(&self, packet: Arc<Packet>) -> Gave {
        let mut state = self.lock();
        let gave = state.give(packet, &self.limits);
        let waiting = if matches!(gave, Gave::Taken) { state.woken(false) } else { Vec::new() };
        drop(state);
        waiting.iter().for_each(Unparker::unpark);
        gave
    }

    /// Ends the session, if it has not ended; what has come may still be taken.
    pub(super) fn end_with(&self, end: SessionEnd) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        self.ended(state);
    }

    /// Ends the session for good: nobody serves it any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.end = Some(SessionEnd::Closed);
        state.clear();
        self.ended(state);
    }

    /// Lets whoever waits see that the server will not wait any longer.
    pub(super) fn cut(&self) {
        let mut state = self.lock();
        state.is_cut = true;
        let waiting = state.woken(true);
        drop(state);
        waiting.iter().for_each(Unparker::unpark);
    }

    /// Wakes those who wait, and lets the peer begin another session.
    fn ended(&self, mut state: MutexGuard<'_, State>) {
        let waiting = state.woken(true);
        drop(state);
        waiting.iter().for_each(Unparker::unpark);
        if let Some(table) = self.table.upgrade() {
            table.remove(&self.peer, self);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a packet, which is used again.
fn data(mut packet: Arc<Packet>) -> Vec<u8> {
    let data = match Arc::get_mut(&mut packet) {
        Some(packet) => std::mem::take(&mut packet.data),
        None => packet.data().to_vec(),
    };
    Home::recycle(packet);
    data
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("peer_address", &self.peer).finish_non_exhaustive()
    }
}
