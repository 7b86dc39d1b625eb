//! Who runs a request: the serving thread itself, a thread, a process or a coroutine of its own.
//!
//! Python's mix-in classes override `process_request` and a few methods around it. Here they are
//! values of types that implement [`MixIn`], and one of yours may join them.

mod any;
#[cfg(feature = "coroutine")]
mod coroutine;
mod forking;
mod synchronous;
mod threading;
mod wrap;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use self::any::{AnyMixIn, UnknownMixIn};
#[cfg(feature = "coroutine")]
pub use self::coroutine::{Backend, Coroutine};
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

    /// Takes requests by itself from now on, with clones of `acceptor`, wherever it likes; called when
    /// `serve_forever` begins. Returns whether it does. By default it does not, and the loop takes
    /// them and calls [`process_request`](Self::process_request).
    ///
    /// # Errors
    ///
    /// Whatever it returns ends `serve_forever`.
    fn start_accepting(&self, acceptor: &P::Acceptor) -> io::Result<bool> {
        let _ = acceptor;
        Ok(false)
    }

    /// Ends what [`start_accepting`](Self::start_accepting) has begun: called when `serve_forever`
    /// ends. The acceptors of that loop give no more requests.
    fn stop_accepting(&self) {}

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
    /// What takes such requests off their socket.
    type Acceptor: Acceptor<Request = Self>;

    /// Runs it to its end on this thread: Python's `finish_request` and then `shutdown_request`,
    /// with `handle_error` in between if it failed. Returns whether it succeeded. Never panics.
    fn finish(self) -> bool;

    /// Python's `close_request` alone: for a process that leaves the request to another.
    fn close(self);

    /// Gives up what is the parent's: called in a forked child, before [`finish`](Self::finish).
    fn after_fork_in_child(&mut self);

    /// The client's address.
    fn client_address(&self) -> &Address;

    /// The name of the handler's type.
    fn name(&self) -> &'static str;
}

/// Takes requests off a server's socket, for a mix-in that does so where it runs them. Implemented
/// by the server alone.
///
/// All of a server's hooks that the serving thread else calls for a request are called by
/// [`accept`](Self::accept), where that is called.
pub trait Acceptor: Clone + sealed::Sealed {
    /// What it takes.
    type Request;

    /// The server's socket; it is readable when there may be a request.
    fn fileno(&self) -> BorrowedFd<'_>;

    /// To be called once before the first request is taken: several may be taken off the socket at
    /// a time from then on, so [`accept`](Self::accept) must be called until there is nothing.
    fn begin(&mut self);

    /// Whether [`accept`](Self::accept) gives a request that was taken off the socket already, and
    /// so does not make it readable.
    fn has_requests(&self) -> bool;

    /// Takes one request. Never waits.
    fn accept(&mut self) -> Accepted<Self::Request>;

    /// Gives what has come to the requests that run, and takes no new one: to be called instead of
    /// [`accept`](Self::accept) while no more can be run. `None` when those that run get nothing
    /// through the server's own socket, so that nobody need look at it meanwhile.
    fn feed(&mut self) -> Option<Accepted<Self::Request>>;

    /// Gives up a request that could not be started, and why; it goes to `handle_error`.
    fn not_started(&self, request: Self::Request, error: io::Error);

    /// Whether anybody wants to hear of [`blocked`](Self::blocked).
    fn is_observed(&self) -> bool;

    /// Tells that a request has kept its thread from others.
    fn blocked(&self, handler: &'static str, elapsed: Duration);

    /// Tells that the kernel cannot do something, which is done otherwise.
    fn fell_back(&self, what: &'static str);

    /// Runs `run`, which may start requests and let them have their turns, but must not wait for
    /// anything else; their replies may be sent together at its end.
    fn gather<R>(&self, run: impl FnOnce() -> R) -> R;
}

/// What came of taking a request; see [`Acceptor::accept`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Accepted<P> {
    /// One that is to be run.
    Request(P),
    /// One that is over already, or could not be taken; there may be another.
    Again,
    /// There is none; the socket tells when there is.
    Nothing,
    /// After an error of the host's, none shall be taken for so long.
    Paused(Duration),
    /// No more will be given, for the server's loop ends or the server is closed.
    Stopped,
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
