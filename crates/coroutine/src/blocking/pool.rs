//! The threads, and what waits for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::shim::{Builder, Mutex, MutexGuard, Parker, Unparker};

/// How long a thread waits for something to do before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// What a thread of the pool runs. It does not panic.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs in the order in which they come, made when there are more jobs than
/// threads.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    idle: Duration,
}

struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job, the one that has waited longest in front. The last is woken
    /// first, so that those that are not needed end.
    idle: VecDeque<(u64, Unparker)>,
    /// All threads, and never more than `max` ever was.
    threads: usize,
    max: usize,
    /// The number of the next thread.
    next: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("State");
        text.field("jobs", &self.jobs.len()).field("threads", &self.threads);
        text.field("idle", &self.idle.len()).field("max", &self.max).finish_non_exhaustive()
    }
}

impl Pool {
    /// One without threads, and with no more than `max` later.
    pub(super) fn new(max: usize) -> Self {
        let state = Mutex::new(State {
            jobs: VecDeque::new(),
            idle: VecDeque::new(),
            threads: 0,
            max,
            next: 1,
        });
        Self { state, idle: IDLE }
    }

    /// One that nobody else uses, with a patience of its own.
    #[cfg(test)]
    pub(super) fn leaked(max: usize, idle: Duration) -> &'static Self {
        let mut pool = Self::new(max);
        pool.idle = idle;
        Box::leak(Box::new(pool))
    }

    /// How many jobs wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    /// How many threads there are.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.lock().threads
    }

    /// Puts `job` behind those that wait. It runs here and now if there is no thread for it, and
    /// the system gives none.
    pub(super) fn submit(&'static self, job: Job) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if let Some((_, unparker)) = state.idle.pop_back() {
            drop(state);
            unparker.unpark();
            return;
        }
        let Some(number) = state.reserve() else { return };
        drop(state);
        if self.start(number) {
            return;
        }
        let mut state = self.lock();
        // Another thread serves the queue, sooner or later; else nobody does.
        let abandoned =
            if state.threads == 0 { std::mem::take(&mut state.jobs) } else { VecDeque::new() };
        drop(state);
        for job in abandoned {
            job();
        }
    }

    /// Changes the bound, and makes the threads for which jobs wait.
    pub(super) fn set_max(&'static self, max: usize) {
        let mut state = self.lock();
        state.max = max;
        let surplus = state.threads.saturating_sub(max).min(state.idle.len());
        let woken: Vec<_> = state.idle.drain(..surplus).collect();
        let wanted = state.jobs.len();
        let numbers: Vec<_> = (0..wanted).map_while(|_| state.reserve()).collect();
        drop(state);
        for (_, unparker) in woken {
            unparker.unpark();
        }
        for number in numbers {
            self.start(number);
        }
    }

    /// Starts the thread that was reserved. Returns whether the system gave one.
    fn start(&'static self, number: u64) -> bool {
        let thread = Builder::new().name(format!("blocking-{number}"));
        let is_started = thread.spawn(move || self.serve(number)).is_ok();
        if !is_started {
            self.lock().threads -= 1;
        }
        is_started
    }

    /// What a thread does, until there is no use for it.
    fn serve(&self, number: u64) {
        let parker = Parker::new();
        let mut state = self.lock();
        loop {
            // Of those that are awake as many stay as were woken for jobs: `set_max` wakes one more
            // for each that is to end, or has woken all.
            if state.threads > state.max {
                break;
            }
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
                    // A result that panics when it is dropped. Nobody asks for this, and it may do
                    // it again.
                    std::mem::forget(payload);
                }
                state = self.lock();
                continue;
            }
            state.idle.push_back((number, parker.unparker()));
            drop(state);
            let is_over = parker.park(Instant::now().checked_add(self.idle)).is_err();
            state = self.lock();
            // Who wakes it has taken it out; and may have done so as its time was up.
            let position = state.idle.iter().position(|&(other, _)| other == number);
            if let Some(position) = position {
                state.idle.remove(position);
                if is_over {
                    break;
                }
            }
        }
        state.threads -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a thread that is about to be started, if there may be one more. Returns its number.
    fn reserve(&mut self) -> Option<u64> {
        if self.threads >= self.max {
            return None;
        }
        self.threads += 1;
        self.next += 1;
        Some(self.next - 1)
    }
}
