use std::io;

use super::super::timeout::Timeout;
use super::super::waiters::Waiters;
use crate::ring::{Buffer, Carried, Completion, Operation};
use crate::scheduler::Id;

/// What is known of an adopted socket.
#[derive(Debug, Default)]
pub(super) struct Socket {
    /// Counts who has had the number, so that a late completion of one is not taken for the next's.
    pub(super) generation: u32,
    pub(super) is_adopted: bool,
    pub(super) is_at_end: bool,
    /// The last receive has left something; or there was none yet, and the client may be quick.
    pub(super) may_have_input: bool,
    pub(super) timeout: Timeout,
    pub(super) receiving: Receiving,
    pub(super) readers: Waiters,
    pub(super) sending: Option<Sending>,
    /// What came of a send, and who is to be told.
    pub(super) sent: Option<(Id, io::Result<usize>)>,
    /// What a send failed with that nobody waited for.
    pub(super) failed_behind: Option<io::Error>,
    pub(super) writers: Waiters,
}

/// Where input is.
#[derive(Debug, Default)]
pub(super) enum Receiving {
    #[default]
    Idle,
    InFlight(Operation),
    /// It will soon be over, and has perhaps received something.
    Cancelled,
    /// It is here, and so much of it has been taken.
    Here(Buffer, usize),
    Failed(io::Error),
}

/// A send that is in flight.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) operation: Operation,
    /// Who waits for what comes of it; nobody, if it is sent behind.
    pub(super) sender: Option<Id>,
}

impl Socket {
    /// Whether a receive would have a result at once.
    pub(super) fn has_received(&self) -> bool {
        self.is_at_end || matches!(self.receiving, Receiving::Here(..) | Receiving::Failed(_))
    }

    pub(super) fn take_received(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        match &mut self.receiving {
            Receiving::Here(buffer, taken) => {
                let left = &buffer[*taken..];
                let len = left.len().min(buf.len());
                buf[..len].copy_from_slice(&left[..len]);
                *taken += len;
                if *taken == buffer.len() {
                    self.receiving = Receiving::Idle;
                }
                Some(Ok(len))
            }
            Receiving::Failed(_) => match std::mem::take(&mut self.receiving) {
                Receiving::Failed(error) => Some(Err(error)),
                _ => None,
            },
            _ if self.is_at_end => Some(Ok(0)),
            _ => None,
        }
    }

    /// Notes what has come of a receive. Returns whether there was no buffer for it.
    pub(super) fn received(&mut self, completion: Completion) -> bool {
        let Completion { result, carried, nonempty, .. } = completion;
        self.may_have_input = nonempty;
        self.receiving = Receiving::Idle;
        match (result, carried) {
            (Ok(0), _) => self.is_at_end = true,
            (Ok(_), Carried::Buffer(buffer)) => self.receiving = Receiving::Here(buffer, 0),
            (Ok(_), _) => {}
            (Err(error), _) => match error.raw_os_error() {
                Some(libc::ECANCELED | libc::EINTR) => {}
                Some(libc::ENOBUFS) => return true,
                _ => self.receiving = Receiving::Failed(error),
            },
        }
        false
    }

    /// Notes what has come of a send.
    pub(super) fn sent(&mut self, result: io::Result<u32>) {
        let sender = self.sending.take().and_then(|sending| sending.sender);
        match (sender, result) {
            (Some(sender), result) => {
                self.sent = Some((sender, result.map(|len| len as usize)));
            }
            // Nobody waits for what was cancelled.
            (None, Err(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {}
            (None, Err(error)) => self.failed_behind = Some(error),
            (None, Ok(_)) => {}
        }
    }
}
