use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::session::SessionEnd;
use crate::transport::Packet;
use crate::wait::Unparker;

/// How many bytes may wait for a session, unless it is one datagram.
const MOST_BYTES: usize = 128 * 1024;

/// What a session may do; see the fields of [`Sessions`](super::Sessions).
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle_timeout: Option<Duration>,
    pub(super) queued: usize,
    pub(super) amplification: u32,
    pub(super) answer_verifies: bool,
}

/// What became of a datagram that was given to a session.
pub(super) enum Gave {
    /// It waits for `recv`.
    Taken,
    /// There are too many that wait.
    Full(Arc<Packet>),
    /// The session has ended.
    Ended(Arc<Packet>),
}

/// What a session knows.
#[derive(Debug)]
pub(super) struct State {
    queue: VecDeque<Arc<Packet>>,
    /// How many bytes are in the queue.
    bytes: usize,
    /// When the peer was last heard.
    heard: Instant,
    pub(super) end: Option<SessionEnd>,
    pub(super) is_cut: bool,
    /// Whether the datagram that was taken last was cut.
    pub(super) is_truncated: bool,
    pub(super) is_verified: bool,
    pub(super) overflowed: u64,
    received: u64,
    sent: u64,
    /// Those who wait in `recv`.
    waiting: Vec<(u64, Unparker)>,
    next_waiting: u64,
}

impl State {
    pub(super) fn new(is_verified: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            heard: Instant::now(),
            end: None,
            is_cut: false,
            is_truncated: false,
            is_verified,
            overflowed: 0,
            received: 0,
            sent: 0,
            waiting: Vec::new(),
            next_waiting: 0,
        }
    }

    /// Takes in a datagram of the peer's.
    pub(super) fn give(&mut self, packet: Arc<Packet>, limits: &Limits) -> Gave {
        if self.end.is_some() {
            return Gave::Ended(packet);
        }
        let len = packet.data().len();
        self.heard = Instant::now();
        self.received += len as u64;
        self.is_verified |= limits.answer_verifies && self.sent > 0;
        let has_room = self.queue.len() < limits.queued && self.bytes + len <= MOST_BYTES;
        if !has_room && !self.queue.is_empty() {
            self.overflowed += 1;
            return Gave::Full(packet);
        }
        self.bytes += len;
        self.queue.push_back(packet);
        Gave::Taken
    }

    /// The datagram that has waited longest.
    pub(super) fn take(&mut self) -> Option<Arc<Packet>> {
        let packet = self.queue.pop_front()?;
        self.bytes -= packet.data().len();
        self.is_truncated = packet.is_truncated();
        Some(packet)
    }

    /// When the session ends if nothing more is heard of the peer; `None` for never.
    pub(super) fn idle_at(&self, limits: &Limits) -> Option<Instant> {
        limits.idle_timeout.and_then(|timeout| self.heard.checked_add(timeout))
    }

    /// Counts `len` bytes as sent, if so many may be sent; returns whether they may.
    pub(super) fn charge(&mut self, len: usize, limits: &Limits) -> bool {
        let sent = self.sent + len as u64;
        let most = self.received.saturating_mul(limits.amplification.into());
        if !self.is_verified && sent > most {
            return false;
        }
        self.sent = sent;
        true
    }

    /// Counts them as not sent after all.
    pub(super) fn refund(&mut self, len: usize) {
        self.sent -= len as u64;
    }

    /// Forgets what was not taken, for nobody will.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    /// Notes who waits; returns by which number it is known.
    pub(super) fn wait(&mut self, unparker: Unparker) -> u64 {
        let number = self.next_waiting;
        self.next_waiting += 1;
        self.waiting.push((number, unparker));
        number
    }

    /// Notes that somebody waits no longer.
    pub(super) fn waited(&mut self, number: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != number);
    }

    /// Those who wait, to be woken: the first, or all if `all`.
    pub(super) fn woken(&mut self, all: bool) -> Vec<Unparker> {
        let count = if all { self.waiting.len() } else { self.waiting.len().min(1) };
        self.waiting.drain(..count).map(|(_, unparker)| unparker).collect()
    }
}
