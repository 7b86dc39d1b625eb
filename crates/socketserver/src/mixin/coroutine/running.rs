use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socketserver_coroutine::{OnBlocked, Parker, Unparker, Workers};
use socketserver_sys::waker::Waker;

use super::super::{Acceptor, PendingRequest, Unprocessed};
use super::accepting;

/// How long threads get to end that have nothing left to do.
const END: Duration = Duration::from_secs(5);

/// The threads of a [`Coroutine`](super::Coroutine) that has begun to run requests.
#[derive(Debug)]
pub(super) struct Running {
    workers: Workers,
    /// Requests that run, or are about to.
    live: AtomicUsize,
    limit: usize,
    /// Somebody waits until there are fewer.
    awaited: AtomicBool,
    /// Woken when there are, for the server's own loop.
    room: Arc<Waker>,
    /// The coroutines that take requests.
    acceptors: Mutex<Vec<Taking>>,
    /// Whether the observer has been told what the kernel cannot do.
    has_told: AtomicBool,
}

/// A coroutine that takes requests, as others see it.
#[derive(Debug)]
struct Taking {
    unparker: Unparker,
    is_over: Arc<AtomicBool>,
}

impl Running {
    pub(super) fn new(workers: Workers, limit: usize, room: Arc<Waker>) -> Self {
        Self {
            workers,
            live: AtomicUsize::new(0),
            limit,
            awaited: AtomicBool::new(false),
            room,
            acceptors: Mutex::default(),
            has_told: AtomicBool::new(false),
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Whether another request may run; if not, who asks is woken when it may.
    pub(super) fn has_room(&self) -> bool {
        if self.live() < self.limit {
            return true;
        }
        self.awaited.store(true, Ordering::SeqCst);
        self.live.load(Ordering::SeqCst) < self.limit
    }

    pub(super) fn is_room_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    pub(super) fn clear_room(&self) {
        self.room.clear();
    }

    /// Counts a request; false if that would be one too many.
    pub(super) fn enter(&self) -> bool {
        let before = self.live.fetch_add(1, Ordering::SeqCst);
        if before >= self.limit {
            self.leave();
        }
        before < self.limit
    }

    pub(super) fn leave(&self) {
        let before = self.live.fetch_sub(1, Ordering::SeqCst);
        if before <= self.limit && self.awaited.swap(false, Ordering::SeqCst) {
            self.room.wake();
            for taking in &*self.acceptors() {
                taking.unparker.unpark();
            }
        }
    }

    /// Runs a request, counted now, where there are the fewest.
    pub(super) fn spawn<P>(self: &Arc<Self>, request: P) -> Result<(), Unprocessed<P>>
    where
        P: PendingRequest + Send + 'static,
    {
        // It has been looked whether there is room; should another thread have taken it since, one
        // too many runs, for it is here already.
        self.live.fetch_add(1, Ordering::SeqCst);
        self.start_on(self.workers.least(), request);
        Ok(())
    }

    /// Runs a request that has been counted, on a certain worker.
    pub(super) fn start_on<P>(self: &Arc<Self>, worker: usize, request: P)
    where
        P: PendingRequest + Send + 'static,
    {
        let running = Arc::clone(self);
        let code = move || {
            request.finish();
            running.leave();
        };
        // Only threads that have been stopped take nothing: the request is closed as it is dropped.
        if self.workers.spawn_on(worker, Box::new(code)).is_err() {
            self.leave();
        }
    }

    /// Has every worker take requests.
    pub(super) fn start_accepting<P>(self: &Arc<Self>, acceptor: &P::Acceptor)
    where
        P: PendingRequest<Acceptor: Send> + Send + 'static,
    {
        if !self.has_told.swap(true, Ordering::Relaxed) {
            self.workers.fall_backs().iter().for_each(|what| acceptor.fell_back(what));
            if acceptor.is_observed() {
                let acceptor = Mutex::new(acceptor.clone());
                self.workers.on_blocked(
                    &(Arc::new(move |name: &'static str, elapsed| {
                        let acceptor = acceptor.lock().unwrap_or_else(PoisonError::into_inner);
                        acceptor.blocked(name, elapsed);
                    }) as OnBlocked),
                );
            }
        }
        for worker in 0..self.workers.len() {
            let (running, acceptor) = (Arc::clone(self), acceptor.clone());
            let code = move || accepting::run::<P>(&running, worker, acceptor);
            let _ = self.workers.spawn_on(worker, Box::new(code));
        }
    }

    /// Has those look who take requests whether they still may.
    pub(super) fn stop_accepting(&self) {
        for taking in self.acceptors().drain(..) {
            taking.is_over.store(true, Ordering::Release);
            taking.unparker.unpark();
        }
    }

    /// Has the coroutine that calls, and takes requests, woken when there is room and when it is
    /// over: what it returns tells the latter.
    pub(super) fn begin_to_take(&self, parker: &Parker) -> Arc<AtomicBool> {
        let is_over = Arc::<AtomicBool>::default();
        let taking = Taking { unparker: parker.unparker(), is_over: Arc::clone(&is_over) };
        self.acceptors().push(taking);
        is_over
    }

    fn acceptors(&self) -> std::sync::MutexGuard<'_, Vec<Taking>> {
        self.acceptors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cut(&self) {
        self.workers.cut();
    }

    /// Ends the threads. The server is closed, so nothing more is taken.
    pub(super) fn stop(&self) {
        // The loop may not have got to say so: whoever closes the server need not wait for it.
        self.stop_accepting();
        self.workers.stop(Some(END));
    }
}
