mod accepting;
mod running;

use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

pub use socketserver_coroutine::Backend;
use socketserver_coroutine::{Config, Workers, in_coroutine};
use socketserver_sys::waker::Waker;

use self::running::Running;
use super::{MixIn, PendingRequest, Unprocessed, refuse_zero};
use crate::address::Address;

/// Runs each request on a coroutine of its own: blocking code that takes turns on a few threads.
///
/// There are as many threads as cores. While the server serves, each of them takes requests off the
/// socket itself and runs them; one that has more than its share gives them to the one that has
/// the fewest. A request stays on its thread, so its handler need not be `Send`. Hooks such as
/// `verify_request` are called on these threads too.
///
/// What waits for the client, for another request or for time, by the means of this crate, lets
/// other requests run meanwhile. What blocks the thread otherwise stops all of that thread; see
/// [the manual](crate::manual::coroutines).
///
/// Its settings are read when the first request is run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Coroutine {
    /// How many threads. As many as the process may use cores, by default.
    pub workers: usize,
    /// How much of the address space a request's stack takes, in bytes. 256 KiB by default; memory
    /// is taken page by page, as it is used.
    pub stack_size: usize,
    /// How many requests may run at a time, in all. 100,000 by default; `usize::MAX` for no limit.
    /// While they do, clients wait in the kernel's queue.
    pub max_coroutines: usize,
    /// After how long a wait the stack of a request is copied away and its pages given back, until
    /// the wait ends. `None`, never, by default; see [`Config::hibernate_after`].
    pub hibernate_after: Option<Duration>,
    /// Which of the kernel's two ways to wait is used: [`Backend::Auto`] by default.
    pub backend: Backend,
    /// Whether closing the server waits for the requests that run. On by default.
    pub block_on_close: bool,
    running: Mutex<Option<Arc<Running>>>,
    /// A loop has the workers take requests.
    is_accepting: AtomicBool,
    room: OnceLock<Arc<Waker>>,
}

impl Default for Coroutine {
    fn default() -> Self {
        let config = Config::default();
        Self {
            workers: thread::available_parallelism().map_or(1, NonZero::get),
            stack_size: config.stack_size,
            max_coroutines: 100_000,
            hibernate_after: config.hibernate_after,
            backend: config.backend,
            block_on_close: true,
            running: Mutex::default(),
            is_accepting: AtomicBool::new(false),
            room: OnceLock::new(),
        }
    }
}

impl Coroutine {
    /// How many requests run, or are about to.
    pub fn coroutines(&self) -> usize {
        self.running().as_ref().map_or(0, |running| running.live())
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The threads, started now if they are not yet.
    fn start(&self) -> io::Result<Arc<Running>> {
        let mut running = self.running();
        if let Some(running) = &*running {
            return Ok(Arc::clone(running));
        }
        let workers = Workers::start("socketserver-co", self.workers, &self.config())?;
        let room = match self.room.get() {
            Some(room) => Arc::clone(room),
            None => Arc::new(Waker::new()?),
        };
        let started = Arc::new(Running::new(workers, self.max_coroutines, room));
        *running = Some(Arc::clone(&started));
        Ok(started)
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.stack_size = self.stack_size;
        config.hibernate_after = self.hibernate_after;
        config.backend = self.backend;
        config
    }
}

impl<P> MixIn<P> for Coroutine
where
    P: PendingRequest<Acceptor: Send> + Send + 'static,
{
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        match self.start() {
            Ok(running) => running.spawn(request),
            Err(error) => Err(Unprocessed { request, error }),
        }
    }

    fn server_activate(&self) -> io::Result<()> {
        refuse_zero("workers", self.workers)?;
        refuse_zero("max_coroutines", self.max_coroutines)?;
        self.config().check()?;
        let _ = self.room.set(Arc::new(Waker::new()?));
        Ok(())
    }

    fn start_accepting(&self, acceptor: &P::Acceptor) -> io::Result<bool> {
        let running = self.start()?;
        // The workers serve one loop; another that runs at the same time takes requests itself.
        if self.is_accepting.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        running.start_accepting::<P>(acceptor);
        Ok(true)
    }

    fn stop_accepting(&self) {
        self.is_accepting.store(false, Ordering::SeqCst);
        if let Some(running) = &*self.running() {
            running.stop_accepting();
        }
    }

    fn has_room(&self) -> bool {
        self.running().as_ref().is_none_or(|running| running.has_room())
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        let is_full = self.running().as_ref().is_some_and(|running| running.is_room_awaited());
        self.room.get().filter(|_| is_full).map(|waker| waker.as_fd())
    }

    fn service_actions(&self) {
        if let Some(running) = &*self.running() {
            running.clear_room();
        }
    }

    fn block_on_close(&self) -> bool {
        self.block_on_close
    }

    fn cut(&self, _force: bool) -> Vec<(Address, Duration)> {
        if let Some(running) = &*self.running() {
            running.cut();
        }
        // The server knows whose they are.
        Vec::new()
    }

    fn server_close(&self) {
        // Not while the lock is held, for this waits for the threads.
        let running = self.running().take();
        if let Some(running) = running {
            // The loop that has begun this may end later, and then finds nobody to tell.
            running.stop_accepting();
            // No request is left, but perhaps what one has spawned and not joined; unless it is one
            // of them that closes, which may be on its way to its own handler.
            if !in_coroutine() {
                running.cut();
            }
            running.stop();
        }
    }
}
