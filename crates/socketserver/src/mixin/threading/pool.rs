use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socketserver_sys::waker::Waker;

/// How long a thread waits for another request before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// What a thread does for one request.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads that run requests, and wait for the next when they have finished one.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// There is a job, or the pool is closed.
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job and have not been promised one.
    idle: usize,
    /// Jobs that run, or will as soon as their thread does.
    busy: usize,
    limit: usize,
    /// Woken when there is room again and somebody has found none before.
    room: Option<Arc<Waker>>,
    room_wanted: bool,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

impl Pool {
    pub(super) fn set_limit(&self, limit: usize, room: Arc<Waker>) {
        let mut state = self.lock();
        state.limit = limit;
        state.room = Some(room);
    }

    pub(super) fn threads(&self) -> usize {
        let mut state = self.lock();
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.len()
    }

    /// Whether one more job would be within the limit. If not, the waker is woken when it is.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.room_wanted = state.busy >= state.limit;
        !state.room_wanted
    }

    pub(super) fn clear_room(&self) {
        let state = self.lock();
        if let Some(room) = state.room.as_ref().filter(|_| !state.room_wanted) {
            room.clear();
        }
    }

    /// Makes sure of a thread for one job: one that waits, or a new one.
    pub(super) fn prepare(self: &Arc<Self>) -> io::Result<Prepared<'_>> {
        let mut state = self.lock();
        if state.idle > 0 {
            state.idle -= 1;
        } else {
            // Those that have ended have been idle for long; so this is rare and the list short.
            state.threads.retain(|thread| !thread.is_finished());
            let pool = Arc::clone(self);
            let name = format!("socketserver-{}", state.threads.len() + 1);
            state.threads.push(
                thread::Builder::new()
                    .name(name)
                    .spawn(move || pool.work())?,
            );
        }
        state.busy += 1;
        Ok(Prepared(self))
    }

    /// What a thread of the pool does: a job that it was promised, then whatever comes.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                state.busy -= 1;
                state.idle += 1;
                if state.room_wanted {
                    state.room_wanted = false;
                    if let Some(room) = &state.room {
                        room.wake();
                    }
                }
                continue;
            }
            // A thread that is here without having been promised a job is counted as idle; one
            // whose job another has taken has that one's place among the idle.
            if state.closed {
                return;
            }
            let (guard, timeout) = self
                .work
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && state.jobs.is_empty() && state.idle > 0 {
                state.idle -= 1;
                return;
            }
        }
    }

    /// Ends all threads and joins them, but for the one that calls. No job runs any more, or only
    /// the caller's.
    pub(super) fn close(&self) {
        self.abandon();
        let threads = std::mem::take(&mut self.lock().threads);
        let own = thread::current().id();
        for thread in threads
            .into_iter()
            .filter(|thread| thread.thread().id() != own)
        {
            // It cannot have panicked: requests catch the panics of their handlers.
            let _ = thread.join();
        }
    }

    /// Ends the threads that wait, and those that are about to.
    pub(super) fn abandon(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("threads", &state.threads.len())
            .field("busy", &state.busy)
            .field("limit", &state.limit)
            .finish_non_exhaustive()
    }
}

/// A thread that waits for the one job that it was promised.
#[must_use]
pub(super) struct Prepared<'a>(&'a Pool);

impl Prepared<'_> {
    pub(super) fn run(self, job: Job) {
        self.0.lock().jobs.push_back(job);
        self.0.work.notify_one();
    }
}
