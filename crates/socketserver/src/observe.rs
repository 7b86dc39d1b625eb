//! What a server does, told while it does it.
//!
//! An [`Observer`] is the engine's only output: it logs nothing and prints nothing, but for the
//! default [`handle_error`](crate::BaseServer::handle_error). With the feature `tracing`,
//! `Tracing` is an observer ready-made.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::address::Address;
use crate::error::Failed;

#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;

/// Hears of everything that a server does; given to
/// [`Builder::observer`](crate::Builder::observer).
///
/// It is called on the thread, or in the child process, where the thing happens, with no lock
/// held, and delays it for as long as it takes. A panic in it is caught and dropped.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Something that a server has done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server is bound and takes requests.
    #[non_exhaustive]
    Listening {
        /// Where.
        server_address: &'a Address,
    },
    /// A request begins to run. Exactly one [`Finished`](Self::Finished) follows.
    #[non_exhaustive]
    Started {
        /// Whose request.
        client_address: &'a Address,
    },
    /// A request has ended and is closed.
    #[non_exhaustive]
    Finished {
        /// Whose request.
        client_address: &'a Address,
        /// How long it took from when it was accepted.
        elapsed: Duration,
        /// How it failed, if it did.
        failed: Option<&'a Failed>,
    },
    /// No thread or process could be had to run a request, and it is closed.
    #[non_exhaustive]
    NotStarted {
        /// Whose request.
        client_address: &'a Address,
        /// Why.
        failed: &'a Failed,
    },
    /// `verify_request` refused a request, and it is closed.
    #[non_exhaustive]
    Refused {
        /// Whose request.
        client_address: &'a Address,
    },
    /// A request could not be taken off the socket. Told once a second at the most.
    #[non_exhaustive]
    AcceptError {
        /// Why.
        error: &'a io::Error,
        /// What is done about it.
        action: AcceptAction,
        /// How many such errors have not been told since the last that was.
        untold: u64,
    },
    /// A hook of the server's panicked; the server goes on.
    #[non_exhaustive]
    HookPanicked {
        /// Which: `handle_error`, `service_actions`, `get_request` and so on.
        hook: &'static str,
    },
    /// A request was cut, for the time that `server_close` gave it was over.
    #[non_exhaustive]
    Cut {
        /// Whose request.
        client_address: &'a Address,
        /// How long ago it was accepted.
        age: Duration,
    },
    /// A reply was to be sent together with others, and could not be sent.
    #[non_exhaustive]
    NotSent {
        /// To whom.
        client_address: &'a Address,
        /// Why.
        error: &'a io::Error,
    },
    /// The kernel turned out not to be able to do something, which is done otherwise from now on.
    /// Told once.
    #[non_exhaustive]
    FallBack {
        /// What it cannot do.
        what: &'static str,
    },
    /// A handler in a coroutine has kept its thread from all others for more than a tenth of a
    /// second, by computing or by a call that blocks; told when it has let go. See
    /// [`blocking`](fn@crate::blocking) for what such a handler should do.
    #[non_exhaustive]
    Blocked {
        /// The name of the handler's type.
        handler: &'static str,
        /// For how long, to some milliseconds.
        elapsed: Duration,
    },
    /// The server has been closed.
    #[non_exhaustive]
    Closed {
        /// Where it had been.
        server_address: &'a Address,
    },
}

/// What is done about an error of `accept(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptAction {
    /// Nothing: it was that one client's error.
    Continue,
    /// Out of descriptors: the client was accepted on the reserve descriptor and closed at once,
    /// so that it knows.
    Shed,
    /// The server takes no requests for this long.
    Pause(Duration),
    /// The loop ends with the error.
    Stop,
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
