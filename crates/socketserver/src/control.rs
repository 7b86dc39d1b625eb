use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use socketserver_sys::signal::Watch;
use socketserver_sys::waker::Waker;

use crate::wait::Condition;

/// Stops a server from anywhere: another thread, a handler, a hook, a child process, a signal.
///
/// Clones stop the same server.
#[derive(Clone, Debug)]
pub struct ShutdownHandle(pub(crate) Arc<Control>);

impl ShutdownHandle {
    /// Stops `serve_forever` and waits until it has returned.
    ///
    /// It takes effect at once: a waiting loop is woken. When it returns, no loop of the server
    /// accepts any more, and a synchronous server has finished the request at hand; requests on
    /// threads and in children go on (see [`Server::server_close`](crate::Server::server_close)).
    ///
    /// * Before the first loop has started, the request is kept: the loop then ends at once.
    /// * After the last loop has ended, this does nothing.
    /// * On a thread that runs a loop (in a synchronous handler, or in `service_actions`) and in
    ///   a forked child, it asks but does not wait, for waiting would never end.
    /// * All loops that run at the moment end, and all callers return.
    ///
    /// This is Python's `shutdown`, which instead waits for the next poll, and deadlocks on the
    /// serving thread.
    pub fn shutdown(&self) {
        if let Some(generation) = self.0.request() {
            self.0.wait_until_stopped(generation);
        }
    }

    /// Asks `serve_forever` to stop, and returns at once; else as [`shutdown`](Self::shutdown).
    pub fn request_shutdown(&self) {
        self.0.request();
    }

    /// Whether the server has been asked to stop, by whomever, and its loops have not yet done
    /// so; or it is closed.
    ///
    /// For a handler that would begin something long, and for a loop of the caller's own.
    pub fn is_requested(&self) -> bool {
        // Whoever asks, closes or signals wakes it, and the last loop to end clears it.
        self.0.stop.is_woken()
    }

    /// Stops the server on SIGINT and SIGTERM, for as long as the returned guard lives.
    ///
    /// The first signal does what [`request_shutdown`](Self::request_shutdown) does; the second
    /// makes a [`server_close`](crate::Server::server_close) that waits for requests cut them at
    /// once; the third kills the process. No thread is made. In a forked child, SIGTERM kills
    /// and SIGINT, which a terminal sends to all, is ignored.
    ///
    /// # Errors
    ///
    /// As `sigaction(2)` has them.
    pub fn on_signals(&self) -> io::Result<SignalGuard> {
        Watch::new(&self.0.stop, &self.0.force).map(SignalGuard)
    }
}

/// Readable when [`is_requested`](ShutdownHandle::is_requested), for a loop of the caller's own.
impl AsFd for ShutdownHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.stop()
    }
}

/// Keeps SIGINT and SIGTERM stopping a server; see [`ShutdownHandle::on_signals`].
#[derive(Debug)]
#[must_use = "the signals stop the server only for as long as the guard lives"]
pub struct SignalGuard(#[allow(dead_code, reason = "held for its `Drop`")] Watch);

/// How long a close waits for those who wait for the socket to leave it.
const UNWATCHED: Duration = Duration::from_secs(1);

/// What the loops of one server and its handles share.
#[derive(Debug)]
pub(crate) struct Control {
    /// Readable: loops shall stop. Shared with forked children, and woken by signals.
    stop: Arc<Waker>,
    /// Readable: the server has been closed.
    closed: Waker,
    /// Readable: a drain shall cut at once.
    force: Arc<Waker>,
    state: Mutex<State>,
    stopped: Condition,
    unwatched: Condition,
    process: u32,
}

#[derive(Debug, Default)]
struct State {
    requested: bool,
    closed: bool,
    /// Loops that have begun and not ended.
    loops: usize,
    /// The threads that they run on.
    threads: Vec<ThreadId>,
    /// How often the last loop has ended.
    generation: u64,
    /// Threads that wait for the socket.
    watching: usize,
}

impl Control {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stop: Arc::new(Waker::new()?),
            closed: Waker::new()?,
            force: Arc::new(Waker::new()?),
            state: Mutex::default(),
            stopped: Condition::default(),
            unwatched: Condition::default(),
            process: std::process::id(),
        })
    }

    /// What wakes `serve_forever`.
    pub(crate) fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// What wakes `handle_request`, which a shutdown leaves alone.
    pub(crate) fn closed(&self) -> BorrowedFd<'_> {
        self.closed.as_fd()
    }

    /// What wakes a drain.
    pub(crate) fn force(&self) -> BorrowedFd<'_> {
        self.force.as_fd()
    }

    /// Counts a loop as running until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> io::Result<Serving> {
        let mut state = self.lock();
        if state.closed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the server is closed"));
        }
        state.loops += 1;
        drop(state);
        Ok(Serving { control: Arc::clone(self), thread: None })
    }

    pub(crate) fn is_requested(&self) -> bool {
        let state = self.lock();
        state.requested || state.closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Marks the server as closed, and wakes everybody who waits for it. Returns whether it was
    /// open before.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.closed = true;
        self.stop.wake();
        self.closed.wake();
        true
    }

    /// Counts this thread as waiting for the socket, until the guard is dropped.
    pub(crate) fn watch(self: &Arc<Self>) -> Watching {
        self.lock().watching += 1;
        Watching(Arc::clone(self))
    }

    /// Waits, after [`close`](Self::close), until no thread waits for the socket any more: the
    /// kernel keeps a socket open for as long as somebody polls it, and with it its address.
    ///
    /// They have been woken, and do nothing before they are counted out; but a coroutine among them
    /// may have to wait for another that keeps their thread, so there is a limit to it.
    pub(crate) fn wait_until_unwatched(&self) {
        if self.is_in_child() {
            return;
        }
        let deadline = Instant::now() + UNWATCHED;
        let mut state = self.lock();
        while state.watching > 0 && Instant::now() < deadline {
            state = self.unwatched.wait_until(&self.state, state, Some(deadline));
        }
    }

    /// Asks the loops that run to stop, or else the first, before it has run. Returns which they
    /// are, for [`wait_until_stopped`](Self::wait_until_stopped); `None` when there is nothing to
    /// wait for.
    fn request(&self) -> Option<u64> {
        if self.is_in_child() {
            self.stop.wake();
            return None;
        }
        let mut state = self.lock();
        let is_over = state.loops == 0 && state.generation > 0;
        if is_over {
            return None;
        }
        if !state.closed {
            state.requested = true;
            self.stop.wake();
        }
        (state.loops > 0).then_some(state.generation)
    }

    /// Waits until the loops of this generation have ended: not those that may have begun since,
    /// for nobody has asked them to.
    fn wait_until_stopped(&self, generation: u64) {
        let mut state = self.lock();
        if state.threads.contains(&thread::current().id()) {
            return;
        }
        while state.loops > 0 && state.generation == generation {
            state = self.stopped.wait(&self.state, state);
        }
    }

    /// Whether this is a forked copy, whose lock another thread of the parent's may have held.
    fn is_in_child(&self) -> bool {
        self.process != std::process::id()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while a loop runs.
#[derive(Debug)]
pub(crate) struct Serving {
    control: Arc<Control>,
    thread: Option<ThreadId>,
}

impl Serving {
    /// Tells that the loop runs on this thread, which then must not wait for it.
    pub(crate) fn enter(&mut self) {
        let id = thread::current().id();
        self.thread = Some(id);
        self.control.lock().threads.push(id);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut state = self.control.lock();
        let own = state.threads.iter().position(|&thread| Some(thread) == self.thread);
        if let Some(own) = own {
            state.threads.swap_remove(own);
        }
        state.loops -= 1;
        if state.loops == 0 {
            // In one step under the lock, so that no request can fall between the two and be
            // left over for the next loop.
            state.requested = false;
            if !state.closed {
                self.control.stop.clear();
            }
            state.generation += 1;
            self.control.stopped.notify_all();
        }
    }
}

/// See [`Control::watch`].
#[derive(Debug)]
pub(crate) struct Watching(Arc<Control>);

impl Drop for Watching {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.watching -= 1;
        if state.watching == 0 && state.closed {
            self.0.unwatched.notify_all();
        }
    }
}
