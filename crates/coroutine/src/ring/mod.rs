//! io_uring in safe hands: a [`Ring`] owns whatever the kernel may still touch.
//!
//! # What is dangerous
//!
//! A system call borrows memory until it returns. An operation of io_uring borrows it from the
//! moment it is pushed until its completion is taken, which is no scope of the language: whoever
//! began it may have returned, been unwound, or been dropped. A cancel does not end the loan
//! either, for it may come too late. So no reference can stand for the loan, and none is taken:
//! memory is *moved* into the ring, and comes back with the completion.
//!
//! # Who owns what, and when
//!
//! | what | owner | changes hands |
//! |---|---|---|
//! | bytes to send | the send's slot | with the completion, to [`Carried::Bytes`] |
//! | room for an address | the accept's slot | with the completion, to the next accept |
//! | a buffer | the kernel | named in a completion, to [`Buffer`]; dropped, back |
//! | an accepted connection | the completion | taken, to [`Carried::Socket`]; dropped, closed |
//! | a descriptor to close | the ring | from the call of [`Ring::close`] |
//! | the queues | the ring and the kernel | never; unmapped when nothing is in flight |
//!
//! A *slot* is the record of one operation in flight: the caller's token, and what the operation
//! owns. It is taken by the push and freed when the last completion is popped. The kernel knows
//! the operation by the number of the slot and the slot's generation ([`Operation`]), so a cancel
//! that comes late meets nobody, rather than whoever has the slot by then. Slots, addresses and the
//! vectors that are given back are used again: in the steady state nothing is allocated.
//!
//! The slots may move in memory when there are more of them. What the kernel points to does not:
//! it is behind the pointer of a `Vec` or an `Rc`, or in the mapping of the buffers.
//!
//! # Descriptors
//!
//! An operation takes a *borrowed* descriptor, and until the next
//! [`submit_and_wait`](Ring::submit_and_wait) the ring remembers no more than its number. From then
//! on the kernel holds the open file itself, and the number may be closed. In between it must not
//! be: the operation would be one on whatever has got that number, and the other's bytes would be
//! read, or its connection taken. Memory is never at risk, but a connection is. Closing by
//! [`Ring::close`] is always in time, for operations are submitted in the order of their pushes.
//!
//! An open file that an operation in flight holds stays open when the number is closed: a port
//! stays taken, and a peer sees no end of the connection. Cancel first.
//!
//! # Threads and processes
//!
//! The kernel lets only the thread that has made the ring use it, and `Ring` is not `Send`. It also
//! promises to do its own part of the work on that thread, and only within a call of
//! [`submit_and_wait`](Ring::submit_and_wait): a completion appears in no other place, and nothing
//! interrupts the thread. It does some twenty at a time, so that one call may leave some for the
//! next; [`submit_and_wait`](Ring::submit_and_wait) knows when that is so.
//!
//! A child made by `fork` shares the queues with its parent, and what it pushed would be done in
//! the parent's memory. So in a child a ring does nothing: nothing pushed is queued, nothing
//! completes, and [`submit_and_wait`](Ring::submit_and_wait) fails. It may be dropped.
//!
//! # The end
//!
//! Dropping the ring cancels what is in flight and waits for the completions, which takes some
//! microseconds, for every operation that this module offers can be cancelled. Then it takes the
//! buffers back from the kernel, frees the slots, and closes the ring. If the kernel does not
//! answer within a second, slots and buffers are leaked instead: the kernel may still write to
//! them. Buffers that somebody still has are unmapped when the last of them is dropped.
//!
//! Forgetting the ring is safe too, since all that was lent is forgotten with it.

mod address;
mod buffers;
mod completion;
mod operations;
mod origin;
mod setup;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring};

use self::address::Address;
use self::buffers::{Buffers, GROUP};
use self::origin::Origin;
use self::slots::Slots;

pub use self::address::Peer;
pub use self::buffers::Buffer;
pub use self::completion::{Carried, Completion};
pub use self::slots::Operation;

/// How long a dropped ring waits for what it has cancelled. Beyond, it leaks what is in flight.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest timeout that is handed to the kernel, whose seconds are signed.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// How large a [`Ring`] is.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many operations one system call can submit; rounded up to a power of two.
    pub entries: u32,
    /// How many buffers there are to receive into; a power of two, at most 32768.
    pub buffer_count: u16,
    /// How many bytes each of them has.
    pub buffer_size: u32,
}

/// An io_uring of one thread. See the [module](self).
pub struct Ring {
    kernel: IoUring,
    /// What is in flight, with all that the kernel reads from and writes to, but the buffers.
    slots: Slots,
    buffers: Rc<Buffers>,
    /// Room for addresses that no accept uses now.
    addresses: Vec<Address>,
    /// What was pushed when the queue was full and the kernel would not take it.
    backlog: VecDeque<Entry>,
    enters: u64,
    /// Nothing touches the queues but here: in a forked child they are still the parent's.
    origin: Origin,
}

impl Default for Config {
    /// 256 entries, and 128 buffers of 8192 bytes: a mebibyte, half of which is never touched if
    /// all that comes is short.
    fn default() -> Self {
        Self { entries: 256, buffer_count: 128, buffer_size: 8192 }
    }
}

impl Ring {
    /// Sets up a ring for this thread.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the kernel has no io_uring or an old one, `PermissionDenied` when it is
    /// forbidden, `InvalidInput` for a count of buffers that is no power of two, and what else
    /// the kernel says.
    pub fn new(config: &Config) -> io::Result<Self> {
        let kernel = setup::set_up(config.entries).map_err(|e| setup::refused("setup", &e))?;
        let buffers =
            Buffers::register(&kernel.submitter(), config.buffer_count, config.buffer_size)
                .map_err(|e| setup::refused("buffers", &e))?;
        Ok(Self {
            kernel,
            slots: Slots::with_capacity(config.entries as usize),
            buffers,
            addresses: Vec::new(),
            backlog: VecDeque::new(),
            enters: 0,
            origin: Origin::new()?,
        })
    }

    /// Whether this kernel has, and lets this process use, all that a ring does. It tries.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the text says what is missing.
    pub fn probe() -> io::Result<()> {
        setup::probe()
    }

    /// Submits what was pushed, and waits until there are `min` completions to
    /// [`pop`](Self::pop), a signal comes, or `timeout` has passed: so there may be fewer.
    ///
    /// One system call; none when nothing was pushed, nothing has happened, and there is nothing
    /// to wait for.
    ///
    /// # Errors
    ///
    /// What the kernel says when it can take no more, and there is no completion to pop first;
    /// `Unsupported` in a child that was forked.
    pub fn submit_and_wait(&mut self, min: u32, timeout: Option<Duration>) -> io::Result<()> {
        if !self.origin.is_here() {
            let why = "the ring is that of the parent process";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        while !self.backlog.is_empty() {
            self.refill();
            if !self.backlog.is_empty() {
                let before = self.backlog.len();
                self.enter(0, None)?;
                self.refill();
                if self.backlog.len() == before {
                    break;
                }
            }
        }
        let ready = self.kernel.completion().len();
        // What could not be submitted must not be waited for.
        let may_wait = self.backlog.is_empty() && timeout != Some(Duration::ZERO);
        let is_waiting = may_wait && ready < min as usize;
        let queue = self.kernel.submission();
        if !is_waiting && queue.is_empty() && !queue.taskrun() && !queue.cq_overflow() {
            return Ok(());
        }
        drop(queue);
        self.enter(if is_waiting { min } else { 0 }, timeout)
    }

    /// How many operations are in flight: pushed, and their last completion not yet popped.
    pub fn in_flight(&self) -> u32 {
        self.slots.taken()
    }

    /// How many times the ring has called `io_uring_enter`.
    pub fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues an entry; submits if the queue is full. It never fails: what the kernel does not
    /// take now, it is given by the next [`submit_and_wait`](Self::submit_and_wait).
    #[inline]
    fn enqueue(&mut self, entry: &Entry) {
        if !self.origin.is_here() {
            return;
        }
        if self.backlog.is_empty() && self.try_enqueue(entry) {
            return;
        }
        self.enqueue_slowly(entry);
    }

    #[cold]
    fn enqueue_slowly(&mut self, entry: &Entry) {
        if self.backlog.is_empty() {
            // Its error comes again if it lasts, where somebody asks.
            let _ = self.enter(0, None);
            if self.try_enqueue(entry) {
                return;
            }
        }
        self.backlog.push_back(entry.clone());
    }

    #[inline]
    fn try_enqueue(&mut self, entry: &Entry) -> bool {
        let mut queue = self.kernel.submission();
        // SAFETY: whatever memory an entry points to is owned by its slot or is the ring's, until
        // the completion that says that the kernel has finished with it: see `Ring::push`.
        unsafe { queue.push(entry) }.is_ok()
    }

    fn refill(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            if !self.try_enqueue(&entry) {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    /// Submits, has the kernel do what it has deferred, and waits.
    fn enter(&mut self, min: u32, timeout: Option<Duration>) -> io::Result<()> {
        let queued = self.kernel.submission().len() as u32;
        let timespec = timeout.map(|timeout| Timespec::from(timeout.min(LONGEST)));
        let args = match &timespec {
            Some(timespec) if min > 0 => SubmitArgs::new().timespec(timespec),
            _ => SubmitArgs::new(),
        };
        let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        self.enters += 1;
        // SAFETY: the arguments are those of `EXT_ARG`, and live until it returns; what is
        // submitted was seen to by `try_enqueue`.
        let entered =
            unsafe { self.kernel.submitter().enter(queued, min, flags.bits(), Some(&args)) };
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR) => Ok(()),
                // Completions have to be popped before there is room for more.
                Some(libc::EBUSY | libc::EAGAIN) if !self.kernel.completion().is_empty() => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Cancels all that is in flight, and says whether nothing is any more.
    fn wind_up(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        self.cancel_all();
        loop {
            // Sockets that were accepted are closed by this.
            while self.pop().is_some() {}
            let left = deadline.saturating_duration_since(Instant::now());
            let is_queued = !self.backlog.is_empty() || !self.kernel.submission().is_empty();
            if self.in_flight() == 0 && !is_queued {
                return true;
            }
            let min = u32::from(self.in_flight() > 0);
            if left.is_zero() || self.submit_and_wait(min, Some(left)).is_err() {
                return false;
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let is_over = self.origin.is_here() && self.wind_up();
        if is_over && self.kernel.submitter().unregister_buf_ring(GROUP).is_ok() {
            return;
        }
        // The kernel may still write to these; they are better lost.
        mem::forget(mem::take(&mut self.slots));
        mem::forget(Rc::clone(&self.buffers));
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("in_flight", &self.in_flight())
            .field("buffers", &self.buffers)
            .field("enters", &self.enters)
            .finish_non_exhaustive()
    }
}
