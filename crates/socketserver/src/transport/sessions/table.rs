use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::session::{Session, SessionEnd};
use super::state::{Gave, Limits};
use crate::address::Address;
use crate::transport::Packet;

/// What [`Sessions`](super::Sessions) has to do at the moment, and what it has dropped since the
/// server was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounts {
    /// Sessions that have not ended.
    pub sessions: usize,
    /// Datagrams of peers without a session that were dropped, for there were as many sessions as
    /// may be, or nobody to run one more.
    pub refused: u64,
    /// Datagrams that were dropped, for their session had not taken the earlier ones.
    pub overflowed: u64,
    /// Datagrams of Unix sockets without a name, which cannot be told apart, and were dropped.
    pub unnamed: u64,
}

/// The sessions that have not ended, by their peers.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: Mutex<Open>,
    refused: AtomicU64,
    overflowed: AtomicU64,
    unnamed: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    by_peer: HashMap<Address, Arc<Session>>,
    /// Whether the server has been closed.
    is_closed: bool,
}

/// What became of a datagram.
pub(super) enum Given {
    /// It begins a session.
    New(Arc<Session>),
    /// Its session has it.
    Taken,
    /// Nobody has.
    Dropped(Arc<Packet>),
}

impl Table {
    /// Gives a datagram to its peer's session; to a new one, if there is none and there are fewer
    /// than `most`.
    pub(super) fn give(
        self: &Arc<Self>,
        mut packet: Arc<Packet>,
        peer: &Address,
        most: usize,
        limits: Limits,
    ) -> Given {
        if *peer == Address::Unix(None) {
            return dropped(&self.unnamed, packet);
        }
        loop {
            let known = self.lock().by_peer.get(peer).cloned();
            if let Some(session) = known {
                // Without the lock, for it wakes somebody.
                packet = match session.give(packet) {
                    Gave::Taken => return Given::Taken,
                    Gave::Full(packet) => return dropped(&self.overflowed, packet),
                    Gave::Ended(packet) => packet,
                };
                self.remove(peer, &session);
                continue;
            }
            let mut open = self.lock();
            if open.by_peer.contains_key(peer) {
                // Another thread has begun it meanwhile.
                continue;
            }
            if open.is_closed || open.by_peer.len() >= most {
                return dropped(&self.refused, packet);
            }
            let session = Session::new(packet, peer.clone(), limits, self);
            open.by_peer.insert(peer.clone(), Arc::clone(&session));
            return Given::New(session);
        }
    }

    /// Lets go of a session that has ended; not of a later one of the same peer.
    pub(super) fn remove(&self, peer: &Address, session: &Session) {
        let mut open = self.lock();
        if open.by_peer.get(peer).is_some_and(|found| std::ptr::eq(&raw const **found, session)) {
            open.by_peer.remove(peer);
        }
    }

    /// Ends all sessions, for no more can come, and lets none begin.
    pub(super) fn close(&self) {
        let mut open = self.lock();
        open.is_closed = true;
        let sessions = std::mem::take(&mut open.by_peer);
        drop(open);
        for session in sessions.values() {
            session.end_with(SessionEnd::ServerClosed);
        }
    }

    pub(super) fn counts(&self) -> SessionCounts {
        SessionCounts {
            sessions: self.lock().by_peer.len(),
            refused: self.refused.load(Ordering::Relaxed),
            overflowed: self.overflowed.load(Ordering::Relaxed),
            unnamed: self.unnamed.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dropped(count: &AtomicU64, packet: Arc<Packet>) -> Given {
    count.fetch_add(1, Ordering::Relaxed);
    Given::Dropped(packet)
}
