use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use socketserver_sys::waker::Waker;

/// How long a thread waits for another request before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// What a thread does for one request.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads that run requests, and wait for the next when they have finished one.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that wait, the one that has waited for the shortest time last: it is taken first,
    /// for its stack is still warm, and so those that are not needed get to end.
    idle: Vec<Arc<Worker>>,
    /// How many have a job, or have been promised one.
    busy: usize,
    limit: usize,
    /// Woken when there is room again, after somebody has found none.
    room: Option<Arc<Waker>>,
    room_wanted: bool,
    room_woken: bool,
    /// Also those that have ended, until the next is made.
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

/// One thread, as those see it who give it work.
#[derive(Default)]
pub(super) struct Worker {
    job: Mutex<Option<Job>>,
    thread: OnceLock<Thread>,
}

impl Worker {
    /// Gives a job to a worker that waits for none but this one.
    pub(super) fn run(&self, job: Job) {
        *lock(&self.job) = Some(job);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Pool {
    pub(super) fn set_limit(&self, limit: usize, room: Arc<Waker>) {
        let mut state = self.lock();
        state.limit = limit;
        state.room = Some(room);
    }

    pub(super) fn threads(&self) -> usize {
        let state = self.lock();
        state.idle.len() + state.busy
    }

    /// Whether one more job would be within the limit. If not, the waker is woken when it is.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.room_wanted = state.busy >= state.limit;
        !state.room_wanted
    }

    /// Whether somebody waits for room, or has been told that there is.
    pub(super) fn is_room_awaited(&self) -> bool {
        let state = self.lock();
        state.room_wanted || state.room_woken
    }

    pub(super) fn clear_room(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.room_woken)
            && let Some(room) = &state.room
        {
            room.clear();
        }
    }

    /// Finds a worker for one job: one that waits, or a new one.
    pub(super) fn worker(self: &Arc<Self>) -> io::Result<Arc<Worker>> {
        let mut state = self.lock();
        let worker = match state.idle.pop() {
            Some(worker) => worker,
            None => self.start(&mut state)?,
        };
        state.busy += 1;
        Ok(worker)
    }

    fn start(self: &Arc<Self>, state: &mut State) -> io::Result<Arc<Worker>> {
        state.threads.retain(|thread| !thread.is_finished());
        let worker = Arc::<Worker>::default();
        let (pool, own) = (Arc::clone(self), Arc::clone(&worker));
        let name = format!("socketserver-{}", state.threads.len() + 1);
        let thread = thread::Builder::new().name(name).spawn(move || pool.work(&own))?;
        let _ = worker.thread.set(thread.thread().clone());
        state.threads.push(thread);
        Ok(worker)
    }

    /// What a worker's thread does until it is not needed any more.
    fn work(&self, own: &Arc<Worker>) {
        while let Some(job) = self.next(own) {
            job();
            let mut state = self.lock();
            state.busy -= 1;
            if std::mem::take(&mut state.room_wanted)
                && let Some(room) = &state.room
            {
                room.wake();
                state.room_woken = true;
            }
            if state.closed {
                return;
            }
            state.idle.push(Arc::clone(own));
        }
    }

    /// Waits for the next job; `None` if there has been none for long, or the pool is closed.
    fn next(&self, own: &Arc<Worker>) -> Option<Job> {
        let until = Instant::now() + IDLE;
        loop {
            if let Some(job) = lock(&own.job).take() {
                return Some(job);
            }
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
            } else if self.leave(own) {
                return None;
            } else {
                // It has been promised a job, which will be there in a moment.
                thread::park();
            }
        }
    }

    /// Takes a worker from among those that wait; returns whether it was there.
    fn leave(&self, own: &Arc<Worker>) -> bool {
        let mut state = self.lock();
        let at = state.idle.iter().position(|idle| Arc::ptr_eq(idle, own));
        at.map(|at| state.idle.remove(at)).is_some()
    }

    /// Ends all threads and joins them, but for the one that calls. No job runs any more, or only
    /// the caller's.
    pub(super) fn close(&self) {
        self.abandon();
        let threads = std::mem::take(&mut self.lock().threads);
        let own = thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != own) {
            // It cannot have panicked: requests catch the panics of their handlers.
            let _ = thread.join();
        }
    }

    /// Ends the threads that wait, and those that run a job when they have finished it.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        // A job that is nothing, after which a worker sees that the pool is closed.
        let idle = std::mem::take(&mut state.idle);
        state.busy += idle.len();
        drop(state);
        for worker in idle {
            worker.run(Box::new(|| {}));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("idle", &state.idle.len())
            .field("busy", &state.busy)
            .field("limit", &state.limit)
            .finish_non_exhaustive()
    }
}
