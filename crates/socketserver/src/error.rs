//! What can go wrong with one request.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, io};

use crate::wait::Cut;

/// Any error that a handler may return with `?`.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What handlers return; `Result` alone means `Result<(), BoxError>`.
pub type Result<T = (), E = BoxError> = std::result::Result<T, E>;

/// What went wrong, by whose fault.
#[non_exhaustive]
pub enum Failure {
    /// `setup`, `handle` or `finish` returned an error.
    Handler(BoxError),
    /// A handler or a hook panicked; this is what it panicked with.
    Panic(Box<dyn Any + Send>),
    /// The connection could not be made ready for its handler: a handshake failed, say.
    Open(BoxError),
    /// No thread or process could be had to run the request.
    Process(io::Error),
}

impl Failure {
    /// The error behind it; `None` for a panic.
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Handler(error) | Self::Open(error) => Some(&**error),
            Self::Process(error) => Some(error),
            Self::Panic(_) => None,
        }
    }

    /// The text that the handler panicked with, if it did and if it was a text.
    pub fn panic_message(&self) -> Option<&str> {
        let Self::Panic(payload) = self else {
            return None;
        };
        payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }

    /// Whether all that happened is that the client went away.
    ///
    /// Told by the errors of `rfile`, `wfile`, the connection and `send_reply` alone: a broken
    /// pipe to a database of the handler's own is a fault as any other.
    pub fn is_disconnect(&self) -> bool {
        self.any_cause(is_disconnect)
    }

    /// Whether all that happened is that the server was closed and cut the request, so that a
    /// read of `rfile` failed, or, in a coroutine, any wait.
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Panic(payload) => payload.is::<Cut>(),
            _ => {
                self.any_cause(|error| has_mark::<WasCut>(error) || has_mark::<Cut>(error))
                    || self.causes().any(|error| error.is::<Cut>())
            }
        }
    }

    /// Whether an operation took longer than its time-out allowed.
    pub fn is_timeout(&self) -> bool {
        self.any_cause(|error| {
            let mut errors = std::iter::successors(Some(error), |error| {
                error.get_ref().and_then(|inner| inner.downcast_ref())
            });
            errors.any(|error| error.kind() == io::ErrorKind::TimedOut)
        })
    }

    fn any_cause(&self, test: impl Fn(&io::Error) -> bool) -> bool {
        self.causes().any(|error| error.downcast_ref::<io::Error>().is_some_and(&test))
    }

    /// The error, its source, and so on.
    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(self.error(), |error| (*error).source())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(error) => error.fmt(f),
            Self::Panic(_) => match self.panic_message() {
                Some(message) => write!(f, "request handler panicked: {message}"),
                None => f.write_str("request handler panicked"),
            },
            Self::Open(error) => write!(f, "connection could not be opened: {error}"),
            Self::Process(error) => write!(f, "request could not be started: {error}"),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(error) => f.debug_tuple("Handler").field(error).finish(),
            Self::Panic(_) => f.debug_tuple("Panic").field(&self.panic_message()).finish(),
            Self::Open(error) => f.debug_tuple("Open").field(error).finish(),
            Self::Process(error) => f.debug_tuple("Process").field(error).finish(),
        }
    }
}

/// How a request failed: what running a handler returns.
///
/// When `handle` failed and then `finish` failed too, the failure is that of `finish` and the
/// context that of `handle`, as Python chains exceptions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed {
    /// What went wrong last.
    pub failure: Failure,
    /// What had gone wrong before.
    pub context: Option<Box<Failure>>,
}

impl Failed {
    /// Whether all that happened, before too, is that the client went away; see
    /// [`Failure::is_disconnect`].
    pub fn is_disconnect(&self) -> bool {
        self.is_all(Failure::is_disconnect)
    }

    /// Whether all that happened, before too, is that the server cut the request; see
    /// [`Failure::is_cut`].
    pub fn is_cut(&self) -> bool {
        self.is_all(Failure::is_cut)
    }

    fn is_all(&self, test: impl Fn(&Failure) -> bool) -> bool {
        test(&self.failure) && self.context.as_deref().is_none_or(test)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, context: None }
    }
}

impl From<BoxError> for Failed {
    fn from(error: BoxError) -> Self {
        Failure::Handler(error).into()
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failure::Handler(error.into()).into()
    }
}

/// Runs user's code, and turns its error or panic into a [`Failure`].
pub(crate) fn guard<T>(code: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => result.map_err(Failure::Handler),
        Err(payload) => Err(Failure::Panic(payload)),
    }
}

/// Marks an [`io::Error`] that means no more than that the client went away.
///
/// The error keeps its [kind](io::Error::kind); this is what is inside.
#[derive(Debug)]
pub struct Disconnected(io::Error);

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client went away: {}", self.0)
    }
}

impl Error for Disconnected {}

/// Marks `error`, which came from a client's connection, if it means that the client went away.
pub(crate) fn mark_disconnect(error: io::Error) -> io::Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    match error.kind() {
        ConnectionAborted if has_mark::<Cut>(&error) => was_cut(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => disconnected(error),
        _ => error,
    }
}

/// Marks `error` as one that means that the client went away.
pub(crate) fn disconnected(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Disconnected(error))
}

/// Whether `error` is marked as one that means that the client went away.
pub(crate) fn is_disconnect(error: &io::Error) -> bool {
    has_mark::<Disconnected>(error)
}

/// Marks an [`io::Error`] that means no more than that the server cut the request.
#[derive(Debug)]
struct WasCut;

impl fmt::Display for WasCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server was closed and cut the request")
    }
}

impl Error for WasCut {}

/// What a read says of a request that the server has cut.
pub(crate) fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, WasCut)
}

pub(crate) fn has_mark<M: Error + 'static>(error: &io::Error) -> bool {
    let mut inner = error.get_ref();
    while let Some(error) = inner {
        if error.is::<M>() {
            return true;
        }
        inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::{Failure, mark_disconnect, was_cut};

    #[test]
    fn only_the_clients_own_connection_tells_that_it_went_away() {
        let broken = || io::Error::from(ErrorKind::BrokenPipe);
        assert!(!Failure::Handler(broken().into()).is_disconnect());
        let marked = mark_disconnect(broken());
        assert_eq!(marked.kind(), ErrorKind::BrokenPipe);
        assert!(Failure::Handler(marked.into()).is_disconnect());
        assert!(
            Failure::Handler(io::Error::other(mark_disconnect(broken())).into()).is_disconnect()
        );
    }

    #[test]
    fn a_time_out_is_told_wherever_it_stands_in_the_chain() {
        let timed_out = io::Error::other(io::Error::from(ErrorKind::TimedOut));
        assert!(Failure::Handler(timed_out.into()).is_timeout());
        assert!(!Failure::Handler("too late".into()).is_timeout());
    }

    #[test]
    fn a_cut_by_the_server_is_told_from_the_client_going_away() {
        let cut = Failure::Handler(io::Error::other(was_cut()).into());
        assert!(cut.is_cut() && !cut.is_disconnect());
        assert!(!Failure::Handler(io::Error::from(ErrorKind::ConnectionAborted).into()).is_cut());
    }
}
