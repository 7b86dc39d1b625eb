//! What can be asked of the kernel.
//!
//! A shutdown is not among it, though the kernel has the operation: it starts a thread for it, and
//! the system call costs far less. Whatever is here waits without a thread.

use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::ptr;

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd};

use super::Ring;
use super::address::Address;
use super::buffers::GROUP;
use super::slots::{Operation, Owned};

/// `IORING_RECVSEND_POLL_FIRST`: wait for input before the first attempt.
const POLL_FIRST: u16 = 1;

impl Ring {
    /// Accepts one connection; [`Carried::Socket`](super::Carried::Socket) tells whose it is.
    ///
    /// As std has them, the connection is closed on `exec`, and its own descriptor blocks. Several
    /// may be in flight on one listener.
    pub fn accept(&mut self, listener: impl AsFd, token: u64) -> Operation {
        let address = self.addresses.pop().unwrap_or_else(Address::new);
        let entry = address.accept(number(&listener)).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry, Owned::Accept(Some(address)), token)
    }

    /// Accepts connections until it is cancelled or fails. Who has connected it does not tell.
    pub fn accept_multi(&mut self, listener: impl AsFd, token: u64) -> Operation {
        let entry = opcode::AcceptMulti::new(number(&listener)).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry, Owned::Accept(None), token)
    }

    /// Receives at most `most` bytes, and at most as many as a buffer has; 0 stands for the latter.
    ///
    /// A buffer is taken when there is input, and not before. When none is left it fails with
    /// `ENOBUFS`, to be pushed again when a [`Buffer`](super::Buffer) has been dropped. A timeout
    /// of the socket does not count.
    pub fn recv(&mut self, socket: impl AsFd, most: u32, token: u64) -> Operation {
        self.push_recv(number(&socket), most, 0, token)
    }

    /// As [`recv`](Self::recv), for a socket that has most likely no input yet: the kernel does
    /// not try before it waits.
    pub fn recv_later(&mut self, socket: impl AsFd, most: u32, token: u64) -> Operation {
        self.push_recv(number(&socket), most, POLL_FIRST, token)
    }

    /// Receives whenever there is input, until the end of the input, a failure, `ENOBUFS`, or a
    /// cancel. What it has received and nobody wants is lost, so cancel it only at the end.
    pub fn recv_multi(&mut self, socket: impl AsFd, token: u64) -> Operation {
        let entry = opcode::RecvMulti::new(number(&socket), GROUP).build();
        self.push(entry, Owned::Nothing, token)
    }

    /// Sends `bytes[range]`, all of it unless it fails or is cancelled halfway; the result tells
    /// how many. No `SIGPIPE` comes of it, and a timeout of the socket does not count.
    ///
    /// [`Carried::Bytes`](super::Carried::Bytes) gives `bytes` back.
    ///
    /// # Panics
    ///
    /// When `range` is not within `bytes`.
    pub fn send(
        &mut self,
        socket: impl AsFd,
        bytes: Vec<u8>,
        range: Range<usize>,
        token: u64,
    ) -> Operation {
        let part = &bytes[range];
        // The most that one call sends.
        let length = part.len().min(i32::MAX as usize) as u32;
        let entry = opcode::Send::new(number(&socket), part.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(entry, Owned::Bytes(bytes), token)
    }

    /// Waits for one of `events`, a mask of `POLLIN` and so on; the result is the mask of those
    /// that are.
    pub fn poll(&mut self, fd: impl AsFd, events: u32, token: u64) -> Operation {
        let entry = opcode::PollAdd::new(number(&fd), events).build();
        self.push(entry, Owned::Nothing, token)
    }

    /// As [`poll`](Self::poll), but completes anew whenever something happens, until cancelled.
    pub fn poll_multi(&mut self, fd: impl AsFd, events: u32, token: u64) -> Operation {
        let entry = opcode::PollAdd::new(number(&fd), events).multi(true).build();
        self.push(entry, Owned::Nothing, token)
    }

    /// Closes, after what was pushed before. There is no completion.
    ///
    /// What is still in flight on the descriptor keeps its socket open: cancel that first.
    pub fn close(&mut self, fd: OwnedFd) {
        let entry = opcode::Close::new(Fd(fd.into_raw_fd())).build();
        self.push_unwatched(entry);
    }

    /// Cancels an operation; there is no completion of the cancel, but the operation's own comes
    /// soon: with `ECANCELED`, or as if nothing had been cancelled when it was too late. For one
    /// that is over it does nothing.
    pub fn cancel(&mut self, operation: Operation) {
        self.push_unwatched(opcode::AsyncCancel::new(operation.0).build());
    }

    /// Cancels all that is in flight on a descriptor; else as [`cancel`](Self::cancel).
    pub fn cancel_fd(&mut self, fd: impl AsFd) {
        self.push_cancel(CancelBuilder::fd(number(&fd)).all());
    }

    /// Cancels all that is in flight.
    pub fn cancel_all(&mut self) {
        self.push_cancel(CancelBuilder::any());
    }

    fn push_cancel(&mut self, which: CancelBuilder) {
        self.push_unwatched(opcode::AsyncCancel2::new(which).build());
    }

    fn push_recv(&mut self, fd: Fd, most: u32, ioprio: u16, token: u64) -> Operation {
        let entry = opcode::Recv::new(fd, ptr::null_mut(), most)
            .ioprio(ioprio)
            .buf_group(GROUP)
            .build()
            .flags(Flags::BUFFER_SELECT);
        self.push(entry, Owned::Nothing, token)
    }

    /// Pushes what needs no owner, for it is done as soon as it is submitted. It completes only
    /// if it fails, and then nobody is told.
    fn push_unwatched(&mut self, entry: Entry) {
        let entry = entry.flags(Flags::SKIP_SUCCESS).user_data(Operation::NONE.0);
        self.enqueue(&entry);
    }

    /// Pushes `entry`, whose every address is within `owned`, in the ring's buffers, or null.
    #[inline]
    fn push(&mut self, entry: Entry, owned: Owned, token: u64) -> Operation {
        let operation = self.slots.insert(token, owned);
        self.enqueue(&entry.user_data(operation.0));
        operation
    }
}

fn number(fd: &impl AsFd) -> Fd {
    Fd(fd.as_fd().as_raw_fd())
}
