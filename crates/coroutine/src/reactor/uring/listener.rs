use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::READABLE;
use crate::ring::{Carried, Completion, Operation, Peer, Ring};
use crate::scheduler::Id;

/// How many connections the kernel may accept before anybody has asked for them.
const AHEAD: usize = 8;

/// A listening socket that is watched, or was.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// Who takes the connections; `None` when nobody does any more. What has been accepted by then
    /// is for who comes next.
    pub(super) waiter: Option<Id>,
    /// Whether the kernel accepts by itself.
    pub(super) accepts: bool,
    pub(super) accepted: VecDeque<io::Result<(OwnedFd, Peer)>>,
    /// The kernel could not accept: until it is asked to again, whoever watches does so itself.
    pub(super) has_failed: bool,
    in_flight: Vec<Operation>,
}

impl Listener {
    /// Has in flight what tells of connections.
    pub(super) fn fill(&mut self, ring: &mut Ring, fd: BorrowedFd<'_>, token: u64) {
        if !self.accepts {
            if self.in_flight.is_empty() {
                self.in_flight.push(ring.poll(fd, READABLE, token));
            }
            return;
        }
        while self.in_flight.len() + self.accepted.len() < AHEAD {
            self.in_flight.push(ring.accept(fd, token));
        }
    }

    pub(super) fn cancel(&mut self, ring: &mut Ring) {
        for &operation in &self.in_flight {
            ring.cancel(operation);
        }
    }

    /// Whether nothing of it is in flight any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(super) fn completed(&mut self, completion: Completion) {
        let Completion { result, carried, operation, .. } = completion;
        self.in_flight.retain(|&one| one != operation);
        match (result, carried) {
            (Ok(_), Carried::Socket(socket, peer)) => self.accepted.push_back(Ok((socket, peer))),
            (Err(error), _) if error.raw_os_error() == Some(libc::ECANCELED) => {}
            (Err(error), _) if self.accepts => self.accepted.push_back(Err(error)),
            _ => {}
        }
    }
}
