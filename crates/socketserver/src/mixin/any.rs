use std::io;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::time::Duration;

#[cfg(feature = "coroutine")]
use super::Coroutine;
use super::{Forking, MixIn, PendingRequest, Synchronous, Threading, Unprocessed};
use crate::address::Address;

/// A mix-in chosen while the program runs: `"threading".parse()`.
///
/// Asks of the server what the strictest of them asks.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyMixIn {
    /// See [`Coroutine`].
    #[cfg(feature = "coroutine")]
    Coroutine(Coroutine),
    /// See [`Forking`].
    Forking(Forking),
    /// See [`Synchronous`].
    Synchronous(Synchronous),
    /// See [`Threading`].
    Threading(Threading),
}

impl Default for AnyMixIn {
    fn default() -> Self {
        Self::Synchronous(Synchronous::default())
    }
}

impl FromStr for AnyMixIn {
    type Err = UnknownMixIn;

    /// Knows `forking`, `synchronous` and `threading`, and with the feature `coroutine`, which is
    /// on by default, `coroutine`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            #[cfg(feature = "coroutine")]
            "coroutine" => Self::Coroutine(Coroutine::default()),
            "forking" => Self::Forking(Forking::default()),
            "synchronous" => Self::Synchronous(Synchronous::default()),
            "threading" => Self::Threading(Threading::default()),
            _ => return Err(UnknownMixIn(name.to_owned())),
        })
    }
}

/// The name of no mix-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMixIn(String);

impl std::fmt::Display for UnknownMixIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = match cfg!(feature = "coroutine") {
            true => "synchronous, threading, forking and coroutine",
            false => "synchronous, threading and forking",
        };
        write!(f, "no mix-in is called {:?}; there are {known}", self.0)
    }
}

impl std::error::Error for UnknownMixIn {}

#[cfg(feature = "coroutine")]
impl From<Coroutine> for AnyMixIn {
    fn from(mixin: Coroutine) -> Self {
        Self::Coroutine(mixin)
    }
}

impl From<Forking> for AnyMixIn {
    fn from(mixin: Forking) -> Self {
        Self::Forking(mixin)
    }
}

impl From<Synchronous> for AnyMixIn {
    fn from(mixin: Synchronous) -> Self {
        Self::Synchronous(mixin)
    }
}

impl From<Threading> for AnyMixIn {
    fn from(mixin: Threading) -> Self {
        Self::Threading(mixin)
    }
}

macro_rules! delegate {
    ($self:ident, $mixin:ident => $call:expr) => {
        match $self {
            #[cfg(feature = "coroutine")]
            Self::Coroutine($mixin) => $call,
            Self::Forking($mixin) => $call,
            Self::Synchronous($mixin) => $call,
            Self::Threading($mixin) => $call,
        }
    };
}

impl<P> MixIn<P> for AnyMixIn
where
    P: PendingRequest<Acceptor: Send> + Send + 'static,
{
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        delegate!(self, mixin => mixin.process_request(request))
    }

    fn server_activate(&self) -> io::Result<()> {
        delegate!(self, mixin => MixIn::<P>::server_activate(mixin))
    }

    fn start_accepting(&self, acceptor: &P::Acceptor) -> io::Result<bool> {
        delegate!(self, mixin => MixIn::<P>::start_accepting(mixin, acceptor))
    }

    fn stop_accepting(&self) {
        delegate!(self, mixin => MixIn::<P>::stop_accepting(mixin));
    }

    fn has_room(&self) -> bool {
        delegate!(self, mixin => MixIn::<P>::has_room(mixin))
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        delegate!(self, mixin => MixIn::<P>::fileno(mixin))
    }

    fn service_actions(&self) {
        delegate!(self, mixin => MixIn::<P>::service_actions(mixin));
    }

    fn handle_timeout(&self) {
        delegate!(self, mixin => MixIn::<P>::handle_timeout(mixin));
    }

    fn block_on_close(&self) -> bool {
        delegate!(self, mixin => MixIn::<P>::block_on_close(mixin))
    }

    fn running(&self) -> usize {
        delegate!(self, mixin => MixIn::<P>::running(mixin))
    }

    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        delegate!(self, mixin => MixIn::<P>::cut(mixin, force))
    }

    fn server_close(&self) {
        delegate!(self, mixin => MixIn::<P>::server_close(mixin));
    }
}
