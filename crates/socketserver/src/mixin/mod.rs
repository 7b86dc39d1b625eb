//! Who runs a request: the serving thread itself, a thread of its own, a process of its own.
//!
//! Python's mix-in classes override `process_request` and a few methods around it. Here they are
//! values of types that implement [`MixIn`], and one of yours may join them.

mod any;
mod forking;
mod synchronous;
mod threading;
mod wrap;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use self::any::{AnyMixIn, UnknownMixIn};
pub use self::forking::Forking;
pub use self::synchronous::Synchronous;
pub use self::threading::Threading;
pub use self::wrap::Wrap;
use crate::address::Address;

/// The methods that Python's mix-in classes override, and those that keep a loop waiting well.
///
/// Each implementation says in its bounds on `P` what it asks of the server: `Threading` wants
/// `P: Send`, so a server whose state is not `Sync` is refused by the compiler, there and only
/// there.
///
/// All methods but [`process_request`](Self::process_request) are provided, and fit a mix-in
/// that runs requests in this process and has room for any number. Requests that run in this
/// process are counted, waited for and cut by the server itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run the requests of this server",
    label = "wants `{P}`",
    note = "`Threading` and `AnyMixIn` run requests on other threads, so the server's state must be \
            `Send` and `Sync`: with a `Mutex` or an atomic in the place of a `RefCell` or `Cell`",
    note = "the state must be a `BaseServer`"
)]
pub trait MixIn<P: PendingRequest> {
    /// Runs one request, now or soon: calls [`PendingRequest::finish`] where it shall run.
    ///
    /// Called on the serving thread.
    ///
    /// # Errors
    ///
    /// Gives back the request if it could not be started, and why; it goes to `handle_error`,
    /// and is shut down and closed.
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>>;

    /// Gets ready, before the first request. By default there is nothing to do.
    ///
    /// # Errors
    ///
    /// Whatever it returns ends the server's construction.
    fn server_activate(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether another request could be run now. While not, the server leaves its socket alone,
    /// and clients wait in the kernel's queue. By default always.
    fn has_room(&self) -> bool {
        true
    }

    /// A descriptor that is readable when [`service_actions`](Self::service_actions) should be
    /// called, for there is room again, say. By default none.
    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Called on the serving thread when [`fileno`](Self::fileno) is readable, and on each turn of
    /// a caller's own loop. By default it does nothing.
    fn service_actions(&self) {}

    /// Called when `handle_request` timed out. By default [`service_actions`](Self::service_actions).
    fn handle_timeout(&self) {
        self.service_actions();
    }

    /// Whether closing the server waits for the requests that run. By default, yes.
    fn block_on_close(&self) -> bool {
        true
    }

    /// How many requests run outside of this process. By default none.
    fn running(&self) -> usize {
        0
    }

    /// Ends the requests that run outside of this process, at once if `force`. Returns whose
    /// they are and how old, each only once. By default there are none.
    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        let _ = force;
        Vec::new()
    }

    /// Called when the server is closed and no request runs any more that would be waited for:
    /// gives up threads and whatever else is held. By default there is nothing to do.
    fn server_close(&self) {}
}

/// A request that was verified and waits to be run. Implemented by the server alone.
///
/// One that is dropped is shut down and closed, so a mix-in cannot lose one.
pub trait PendingRequest: Sized + sealed::Sealed {
    /// Runs it to its end on this thread: Python's `finish_request` and then `shutdown_request`,
    /// with `handle_error` in between if it failed. Returns whether it succeeded. Never panics.
    fn finish(self) -> bool;

    /// Python's `close_request` alone: for a process that leaves the request to another.
    fn close(self);

    /// Gives up what is the parent's: called in a forked child, before [`finish`](Self::finish).
    fn after_fork_in_child(&mut self);

    /// The client's address.
    fn client_address(&self) -> &Address;
}

/// A request that could not be started; see [`MixIn::process_request`].
#[derive(Debug)]
pub struct Unprocessed<P> {
    /// The request.
    pub request: P,
    /// Why it could not be started.
    pub error: io::Error,
}

pub(crate) mod sealed {
    #[allow(unnameable_types, reason = "that nobody can name it is what seals")]
    pub trait Sealed {}
}

/// Refuses a limit of zero, under which no request could ever run.
fn refuse_zero(what: &str, limit: usize) -> io::Result<()> {
    match limit {
        0 => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what} must not be 0"))),
        _ => Ok(()),
    }
}
