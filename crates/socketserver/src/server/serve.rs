use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::accept::Accepting;
use super::acceptor::ServerAcceptor;
use super::pending::Pending;
use super::{Outcome, PollSet, Server};
use crate::control::Serving;
use crate::hooks::BaseServer;
use crate::mixin::{MixIn, Unprocessed};
use crate::transport::Transport;
use crate::wait::{Interest, wait};

/// Has a mix-in that takes requests by itself stop when the loop ends.
struct StopAccepting<'a, M: MixIn<Pending<T, S>>, T: Transport, S: BaseServer<T>>(
    &'a M,
    &'a ServerAcceptor<T, S>,
);

impl<M: MixIn<Pending<T, S>>, T: Transport, S: BaseServer<T>> Drop for StopAccepting<'_, M, T, S> {
    fn drop(&mut self) {
        self.1.stop();
        self.0.stop_accepting();
        self.1.wait_until_left();
    }
}

/// What a wait has seen.
struct Ready {
    socket: bool,
    mixin: bool,
    stop: bool,
}

impl<T, M, H, S> Server<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    /// Handles requests until [`shutdown`](Self::shutdown): Python's `serve_forever`.
    ///
    /// It waits on this thread for a request, takes one, gives it to the mix-in, and calls
    /// `service_actions`; and it calls `service_actions` too after each
    /// [`poll_interval`](crate::Builder::poll_interval) without a request. After a shutdown no
    /// request is taken any more: a client that waits in the kernel's queue is served by the next
    /// loop. Several threads may serve one server, and it may be served again after a shutdown.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the server has been closed; closing it while it serves ends the loop
    /// without an error. Else only what makes the socket useless; see
    /// [the manual](crate::manual::accepting).
    #[doc(alias = "server_forever")]
    pub fn serve_forever(&self) -> io::Result<()> {
        self.serve(self.core.shutdown_handle.0.begin()?)
    }

    /// The loop; it is counted as running for as long as `serving` lives.
    pub(super) fn serve(&self, mut serving: Serving) -> io::Result<()> {
        serving.enter();
        let control = &self.core.shutdown_handle.0;
        let mut accepting = Accepting::default();
        let acceptor = ServerAcceptor::new(&self.core);
        // No request is taken after a shutdown, and so none by a loop that ends at once.
        let taking = !control.is_requested() && self.mixin.start_accepting(&acceptor)?;
        let _stop = taking.then(|| StopAccepting(&self.mixin, &acceptor));
        while !control.is_requested() {
            let ready = self.wait(&mut accepting, control.stop(), self.poll_interval, !taking)?;
            // Looked at before anything is accepted: no request is taken after a shutdown.
            if ready.stop || control.is_requested() {
                break;
            }
            if ready.socket {
                self.turn(&mut accepting)?;
            }
            if ready.mixin {
                self.mixin.service_actions();
            }
            self.core.hook("service_actions", || self.core.server.service_actions());
        }
        acceptor.failure().map_or(Ok(()), Err)
    }

    /// Handles one request, waiting for it up to the server's
    /// [`timeout`](crate::Builder::timeout): Python's `handle_request`.
    ///
    /// The timeout is for the request to come, not for handling it. When it is over,
    /// `handle_timeout` is called, once. `service_actions` is not called, and
    /// [`shutdown`](Self::shutdown) is of no effect; [`server_close`](Self::server_close) ends the
    /// wait.
    ///
    /// # Errors
    ///
    /// As [`serve_forever`](Self::serve_forever).
    pub fn handle_request(&self) -> io::Result<Outcome> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let control = &self.core.shutdown_handle.0;
        let mut accepting = Accepting::default();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let ready = self.wait(&mut accepting, control.closed(), left, true)?;
            if control.is_closed() {
                return Ok(Outcome::Closed);
            }
            if ready.mixin {
                self.mixin.service_actions();
            }
            if ready.socket {
                return self.turn(&mut accepting);
            }
            if left.is_some_and(|left| left.is_zero()) {
                self.mixin.handle_timeout();
                self.core.hook("handle_timeout", || self.core.server.handle_timeout());
                return Ok(Outcome::TimedOut);
            }
        }
    }

    /// Handles one request if there is one, without waiting for it: for a caller whose own loop
    /// has polled [`poll_set`](Self::poll_set). Python's `_handle_request_noblock`.
    ///
    /// A synchronous server runs the request to its end, though. After an error of its host's the
    /// server takes no request for a moment, as in [`serve_forever`](Self::serve_forever).
    pub fn handle_request_noblock(&self) -> Outcome {
        self.mixin.service_actions();
        // Taken out meanwhile, for a handler may call this too.
        let mut accepting = std::mem::take(&mut *self.accepting());
        let outcome = if accepting.paused().is_some() {
            Outcome::Nothing
        } else {
            match self.turn(&mut accepting) {
                _ if self.is_closed() => Outcome::Closed,
                Ok(outcome) => outcome,
                Err(_) => {
                    // What ends `serve_forever` must not make the caller's loop spin.
                    accepting.pause();
                    Outcome::AcceptFailed
                }
            }
        };
        *self.accepting() = accepting;
        outcome
    }

    /// What a loop of the caller's own polls: one thread may so serve several servers.
    ///
    /// Ask anew before each wait, for it changes: a server that is full, or that pauses after an
    /// error, leaves its socket out, so that the loop does not spin.
    ///
    /// ```
    /// use rustix::event::{PollFd, PollFlags, poll};
    /// use socketserver::{DatagramRequest, HandlerFn, UdpServer};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let echo = |request: &mut DatagramRequest<'_>| {
    ///     request.wfile.extend_from_slice(request.packet);
    ///     Ok(())
    /// };
    /// let server = UdpServer::bind("127.0.0.1:0", move || HandlerFn::new(echo))?;
    /// # server.shutdown_handle().request_shutdown();
    /// while !server.shutdown_handle().is_requested() {
    ///     let set = server.poll_set();
    ///     let mut fds: Vec<_> =
    ///         set.descriptors.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    ///     // ... and whatever else the loop waits for.
    ///     poll(&mut fds, set.timeout.map(|timeout| timeout.try_into().unwrap()).as_ref())?;
    ///     server.handle_request_noblock();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_set(&self) -> PollSet<'_> {
        let mut timeout = self.accepting().paused();
        let takes_requests = timeout.is_none() && self.looks_at_socket();
        if takes_requests && self.core.transport.has_requests(&self.core.socket) {
            timeout = Some(Duration::ZERO);
        }
        let socket = takes_requests.then(|| self.core.socket.as_fd());
        let stop = self.core.shutdown_handle.0.stop();
        PollSet { descriptors: [socket, self.mixin.fileno(), Some(stop)], timeout }
    }

    fn accepting(&self) -> MutexGuard<'_, Accepting> {
        self.accepting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what comes on the socket is of any use now.
    fn looks_at_socket(&self) -> bool {
        self.mixin.has_room() || self.core.transport.feeds()
    }

    /// Waits for a request, for the mix-in, for `stop`, and for as long as `timeout` allows.
    fn wait(
        &self,
        accepting: &mut Accepting,
        stop: BorrowedFd<'_>,
        timeout: Option<Duration>,
        takes_requests: bool,
    ) -> io::Result<Ready> {
        let pause = accepting.paused();
        let takes_requests = takes_requests && pause.is_none() && self.looks_at_socket();
        if takes_requests && self.core.transport.has_requests(&self.core.socket) {
            return Ok(Ready { socket: true, mixin: false, stop: false });
        }
        let timeout = match (timeout, pause) {
            (Some(timeout), Some(pause)) => Some(timeout.min(pause)),
            (timeout, pause) => timeout.or(pause),
        };
        let entries = [
            (takes_requests.then(|| self.core.socket.as_fd()), Interest::Read),
            (self.mixin.fileno(), Interest::Read),
            (Some(stop), Interest::Read),
        ];
        let watching = self.core.shutdown_handle.0.watch();
        let [socket, mixin, stop] = wait(entries, timeout)?;
        drop(watching);
        Ok(Ready { socket, mixin, stop })
    }

    /// Takes one request off the socket, if there is one, and gives it to the mix-in.
    fn turn(&self, accepting: &mut Accepting) -> io::Result<Outcome> {
        let core = &self.core;
        if !self.mixin.has_room() {
            if core.transport.feeds()
                && !self.is_closed()
                && let Err(error) = core.transport.feed(&core.socket)
            {
                accepting.failed(core, error)?;
            }
            return Ok(Outcome::Full);
        }
        // From before it is looked whether the server is closed, so that who closes it either sees
        // this turn or is seen by it.
        let _turn = core.live.turn();
        let pending = match core.take(accepting)? {
            Ok(pending) => pending,
            Err(outcome) => return Ok(outcome),
        };
        // After a panic the request has been dropped, and so closed.
        let processed = core.hook("process_request", || self.mixin.process_request(pending));
        if let Some(Err(Unprocessed { request: mut pending, error })) = processed {
            pending.take_back();
            pending.not_started(error);
        }
        Ok(Outcome::Processed)
    }
}
