use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socketserver_sys::errno;

use super::Outcome;
use super::accept::Accepting;
use super::core::Core;
use super::pending::Pending;
use crate::control::Watching;
use crate::error::guard;
use crate::hooks::BaseServer;
use crate::mixin::{Accepted, Acceptor, sealed};
use crate::observe::Event;
use crate::transport::{Transport, gather};
use crate::wait::Condition;

impl<T: Transport, S: BaseServer<T>> Core<T, S> {
    /// `get_request` and `verify_request`, and what becomes of a request that fails there. Returns
    /// one that may be run, or else what came of it.
    pub(super) fn take(
        self: &Arc<Self>,
        accepting: &mut Accepting,
    ) -> io::Result<Result<Pending<T, S>, Outcome>> {
        let is_closed = || self.shutdown_handle.0.is_closed();
        if is_closed() {
            return Ok(Err(Outcome::Closed));
        }
        let accepted = guard(|| {
            let accepted = self.transport.get_request(&self.socket);
            Ok(accepted.map(|(request, client_address)| {
                Pending::new(Arc::clone(self), request, client_address)
            }))
        });
        let mut pending = match accepted {
            Ok(Ok(pending)) => pending,
            // It was closed between the wait and here.
            Ok(Err(_)) if is_closed() => return Ok(Err(Outcome::Closed)),
            Ok(Err(error)) => {
                return Ok(Err(match accepting.failed(self, error)? {
                    true => Outcome::AcceptFailed,
                    false => Outcome::Nothing,
                }));
            }
            Err(failure) => {
                self.observe(&Event::HookPanicked { hook: "get_request" });
                accepting.failed(self, io::Error::other(failure.to_string()))?;
                return Ok(Err(Outcome::AcceptFailed));
            }
        };
        if !self.has_reserve() {
            // It was accepted with the last descriptor, without which nobody could be turned away.
            drop(pending);
            self.has_reserve();
            accepting.shed(self, &io::Error::from_raw_os_error(errno::EMFILE));
            return Ok(Err(Outcome::AcceptFailed));
        }
        accepting.succeeded();
        match pending.verify() {
            Ok(true) => {
                pending.give_away();
                Ok(Ok(pending))
            }
            refused => {
                if let Err(failure) = refused {
                    pending.fail(failure);
                }
                pending.shutdown();
                pending.refused();
                Ok(Err(Outcome::Refused))
            }
        }
    }
}

/// What a mix-in that takes requests by itself takes them with: the implementation of
/// [`Acceptor`].
pub struct ServerAcceptor<T: Transport, S> {
    core: Arc<Core<T, S>>,
    /// What this one has seen of errors.
    accepting: Accepting,
    gate: Arc<Gate>,
    begun: Option<Begun>,
}

/// Held by an acceptor that watches the socket.
struct Begun {
    gate: Arc<Gate>,
    #[allow(dead_code, reason = "held for its `Drop`")]
    watching: Watching,
}

/// Lets all acceptors of one loop through, until it is closed.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<Inside>,
    left: Condition,
}

#[derive(Debug, Default)]
struct Inside {
    is_closed: bool,
    /// How many are taking a request at the moment.
    count: usize,
    /// How many watch the socket.
    begun: usize,
    /// With which error one of them had to give up.
    failure: Option<io::Error>,
}

impl<T: Transport, S> ServerAcceptor<T, S> {
    pub(super) fn new(core: &Arc<Core<T, S>>) -> Self {
        let (accepting, gate) = (Accepting::default(), Arc::default());
        Self { core: Arc::clone(core), accepting, gate, begun: None }
    }

    /// Lets no more requests be taken. When it returns, none is being taken.
    pub(super) fn stop(&self) {
        let mut state = self.gate.lock();
        state.is_closed = true;
        while state.count > 0 {
            state = self.gate.left.wait(&self.gate.state, state);
        }
    }

    /// Waits until nobody watches the socket any more, so that whoever comes now is for the next
    /// loop; but not for long, for a coroutine may keep the thread of one that does.
    pub(super) fn wait_until_left(&self) {
        let deadline = Instant::now() + LEFT;
        let mut state = self.gate.lock();
        while state.begun > 0 && Instant::now() < deadline {
            state = self.gate.left.wait_until(&self.gate.state, state, Some(deadline));
        }
    }

    /// Ends the loop, for requests cannot be taken any more.
    fn give_up(&self, error: io::Error) -> Accepted<Pending<T, S>> {
        self.gate.lock().failure = Some(error);
        self.core.shutdown_handle.request_shutdown();
        Accepted::Stopped
    }

    /// With which error requests could not be taken any more, if so.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.gate.lock().failure.take()
    }
}

impl Gate {
    fn enter(&self) -> Option<Within<'_>> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        state.count += 1;
        Some(Within(self))
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the end of a loop waits for those who take requests elsewhere.
const LEFT: Duration = Duration::from_millis(200);

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.begun -= 1;
        if state.begun == 0 {
            self.gate.left.notify_all();
        }
    }
}

/// Held while a request is taken.
struct Within<'a>(&'a Gate);

impl Drop for Within<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.count -= 1;
        if state.is_closed && state.count == 0 {
            self.0.left.notify_all();
        }
    }
}

impl<T: Transport, S: BaseServer<T>> Acceptor for ServerAcceptor<T, S> {
    type Request = Pending<T, S>;

    fn fileno(&self) -> BorrowedFd<'_> {
        self.core.socket.as_fd()
    }

    fn begin(&mut self) {
        self.core.transport.read_ahead(&self.core.socket);
        self.gate.lock().begun += 1;
        let watching = self.core.shutdown_handle.0.watch();
        self.begun = Some(Begun { gate: Arc::clone(&self.gate), watching });
    }

    fn has_requests(&self) -> bool {
        self.core.transport.has_requests(&self.core.socket)
    }

    fn accept(&mut self) -> Accepted<Self::Request> {
        if let Some(pause) = self.accepting.paused() {
            return Accepted::Paused(pause);
        }
        let Some(_within) = self.gate.enter() else {
            return Accepted::Stopped;
        };
        let _turn = self.core.live.turn();
        match self.core.take(&mut self.accepting) {
            Ok(Ok(pending)) => Accepted::Request(pending),
            Ok(Err(Outcome::Closed)) => Accepted::Stopped,
            Ok(Err(Outcome::Nothing)) => Accepted::Nothing,
            Ok(Err(_)) => Accepted::Again,
            Err(error) => self.give_up(error),
        }
    }

    fn feed(&mut self) -> Option<Accepted<Self::Request>> {
        if !self.core.transport.feeds() {
            return None;
        }
        if let Some(pause) = self.accepting.paused() {
            return Some(Accepted::Paused(pause));
        }
        let within = self.gate.enter().filter(|_| !self.core.shutdown_handle.0.is_closed());
        let Some(_within) = within else {
            return Some(Accepted::Stopped);
        };
        Some(match self.core.transport.feed(&self.core.socket) {
            Ok(()) => Accepted::Again,
            Err(error) => match self.accepting.failed(&self.core, error) {
                Ok(_) => Accepted::Nothing,
                Err(error) => self.give_up(error),
            },
        })
    }

    fn not_started(&self, request: Self::Request, error: io::Error) {
        let mut request = request;
        request.take_back();
        request.not_started(error);
    }

    fn is_observed(&self) -> bool {
        self.core.observer.is_some()
    }

    fn blocked(&self, handler: &'static str, elapsed: Duration) {
        self.core.observe(&Event::Blocked { handler, elapsed });
    }

    fn fell_back(&self, what: &'static str) {
        self.core.observe(&Event::FallBack { what });
    }

    fn gather<R>(&self, run: impl FnOnce() -> R) -> R {
        let scope = gather::begin();
        let result = run();
        for unsent in scope.end() {
            let (client_address, error) = (&unsent.address, &unsent.error);
            self.core.observe(&Event::NotSent { client_address, error });
        }
        if let Some(what) = self.core.transport.take_fallback(&self.core.socket) {
            self.core.observe(&Event::FallBack { what });
        }
        // The pass of a loop, as that of the serving thread is.
        self.core.hook("service_actions", || self.core.server.service_actions());
        result
    }
}

impl<T: Transport, S> Clone for ServerAcceptor<T, S> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            accepting: Accepting::default(),
            gate: Arc::clone(&self.gate),
            begun: None,
        }
    }
}

impl<T: Transport, S> sealed::Sealed for ServerAcceptor<T, S> {}

impl<T: Transport, S> fmt::Debug for ServerAcceptor<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAcceptor")
            .field("server_address", &self.core.server_address)
            .finish_non_exhaustive()
    }
}
