//! What has come of an operation.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue::{self, Entry};

use super::Ring;
use super::address::Peer;
use super::buffers::Buffer;
use super::slots::{Operation, Owned};

/// What has come of an operation, once, or once more when it is a multishot one.
#[derive(Debug)]
pub struct Completion {
    /// What the operation was pushed with.
    pub token: u64,
    /// Which it is, as the push has named it.
    pub operation: Operation,
    /// What the system call would have returned: a count of bytes, the events of a poll, else 0.
    /// A cancelled operation has failed with `ECANCELED`.
    pub result: io::Result<u32>,
    /// Whether the operation is still in flight, and more completions of it come. When it is not,
    /// a multishot operation has to be pushed again.
    pub more: bool,
    /// Of a receive: whether the socket had more bytes when these were taken.
    pub nonempty: bool,
    /// What the completion gives.
    pub carried: Carried,
}

/// What a completion gives to whoever takes it.
#[derive(Debug)]
pub enum Carried {
    /// Nothing.
    Nothing,
    /// A receive that has received: the bytes. At the end of the input there are none.
    Buffer(Buffer),
    /// An accept that has accepted: the connection.
    Socket(OwnedFd, Peer),
    /// A send, whether or not it has succeeded: what it was pushed with, to be used again.
    Bytes(Vec<u8>),
}

impl Ring {
    /// Takes the oldest completion, without a system call; `None` when all have been taken that
    /// [`submit_and_wait`](Self::submit_and_wait) has brought.
    #[inline]
    pub fn pop(&mut self) -> Option<Completion> {
        if !self.origin.is_here() {
            return None;
        }
        loop {
            let entry = self.kernel.completion().next()?;
            // What nobody waits for: a close or a cancel that has failed.
            if entry.user_data() != Operation::NONE.0 {
                return Some(self.complete(&entry));
            }
        }
    }

    #[inline]
    fn complete(&mut self, entry: &Entry) -> Completion {
        let operation = Operation(entry.user_data());
        let (flags, raw) = (entry.flags(), entry.result());
        let more = cqueue::more(flags);
        let result = u32::try_from(raw).map_err(|_| io::Error::from_raw_os_error(-raw));
        // Taken even if it is empty or the operation has failed: it is not the kernel's any more.
        let buffer = cqueue::buffer_select(flags)
            .map(|id| self.buffers.take(id, *result.as_ref().unwrap_or(&0)));
        let (token, owned) = if more {
            let (token, owned) = self.slots.look(operation).expect("it is still in flight");
            // Only an accept without an address is multishot.
            (token, if let Owned::Accept(_) = owned { Owned::Accept(None) } else { Owned::Nothing })
        } else {
            self.slots.remove(operation).expect("it has been in flight until now")
        };
        let (result, carried) = match owned {
            Owned::Nothing => (result, buffer.map_or(Carried::Nothing, Carried::Buffer)),
            Owned::Bytes(bytes) => (result, Carried::Bytes(bytes)),
            Owned::Accept(address) => {
                let peer = match &address {
                    Some(address) if result.is_ok() => address.peer(),
                    _ => Peer::Unknown,
                };
                self.addresses.extend(address);
                let carried = result.as_ref().map_or(Carried::Nothing, |_| {
                    // SAFETY: an accept that has succeeded results in a new descriptor, which is
                    // nobody's yet, for each completion is taken once.
                    Carried::Socket(unsafe { OwnedFd::from_raw_fd(raw) }, peer)
                });
                (result.map(|_| 0), carried)
            }
        };
        let nonempty = cqueue::sock_nonempty(flags);
        Completion { token, operation, result, more, nonempty, carried }
    }
}
