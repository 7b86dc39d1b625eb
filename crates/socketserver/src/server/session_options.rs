//! The setters of [`Builder`] that belong to [`Sessions`].

use std::time::Duration;

use super::Builder;
use crate::transport::Sessions;

impl<T, M, H, S> Builder<Sessions<T>, M, H, S> {
    /// How long nothing may be heard of a peer before its session ends; `None` for ever. 60
    /// seconds by default. It ends when its handler next waits for a datagram.
    pub fn idle_timeout(mut self, idle_timeout: impl Into<Option<Duration>>) -> Self {
        self.transport.idle_timeout = idle_timeout.into();
        self
    }

    /// How many sessions there may be at a time. Datagrams of further peers are dropped, and
    /// [counted](Sessions::counts). 65,536 by default.
    pub fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.transport.max_sessions = max_sessions;
        self
    }

    /// How many datagrams may wait for a session to take them, and never more than 128 KiB of
    /// them. Further ones are dropped, and [counted](Sessions::counts). 64 by default.
    pub fn max_queued(mut self, max_queued: usize) -> Self {
        self.transport.max_queued = max_queued;
        self
    }

    /// How many bytes may be sent, for each that was received, to a peer that is not
    /// [verified](crate::transport::Session::verified): else whoever writes the address of another
    /// on a datagram could let the server flood that other. 3 by default, as in QUIC (RFC 9000);
    /// `u32::MAX` for no limit worth the name.
    pub fn max_amplification(mut self, max_amplification: u32) -> Self {
        self.transport.max_amplification = max_amplification;
        self
    }

    /// Whether a peer is verified when a datagram comes from it after one was sent to it. Off by
    /// default: whoever writes another's address on one datagram can do so on two. For networks
    /// where nobody can.
    pub fn answer_verifies(mut self, answer_verifies: bool) -> Self {
        self.transport.answer_verifies = answer_verifies;
        self
    }

    /// Sets the transport of the datagrams: its `max_packet_size`, say.
    pub fn datagrams(mut self, set: impl FnOnce(&mut T)) -> Self {
        set(&mut self.transport.datagrams);
        self
    }
}
