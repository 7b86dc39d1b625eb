//! One call: the one who waits, and the one who runs it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::pool::Pool;
use crate::sync::shim::{Mutex, MutexGuard, Parker, Unparker};

/// What the two share.
pub(super) struct Call<F, R>(Mutex<Step<F, R>>);

enum Step<F, R> {
    /// In the pool's queue. The caller is to be woken at the end.
    Waits(F, Unparker),
    Runs(Unparker),
    /// Has ended, with its result or its panic.
    Ended(Result<R, Box<dyn Any + Send>>),
    /// The caller has its result, or does not want it any more. Nothing of the caller's is kept:
    /// its worker may end long before what runs.
    Left,
}

impl<F, R> Call<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    /// Runs `code` in `pool` and waits for its end; see [`blocking`](super::blocking).
    ///
    /// # Errors
    ///
    /// Those of the wait: the time is up, or the coroutine has been cut.
    pub(super) fn run(pool: &'static Pool, deadline: Option<Instant>, code: F) -> io::Result<R> {
        let parker = Parker::new();
        let call = Arc::new(Self(Mutex::new(Step::Waits(code, parker.unparker()))));
        let of_pool = Arc::clone(&call);
        let waiting = Waiting(call);
        pool.submit(Box::new(move || of_pool.execute()));
        loop {
            let parked = parker.park(deadline);
            match waiting.0.take_result() {
                Some(Ok(result)) => return Ok(result),
                Some(Err(payload)) => resume_unwind(payload),
                None => parked?,
            }
        }
    }

    /// Calls the closure, on the pool's thread.
    fn execute(&self) {
        let mut step = self.lock();
        let code = match std::mem::replace(&mut *step, Step::Left) {
            Step::Waits(code, caller) => {
                *step = Step::Runs(caller);
                code
            }
            // The caller has left before its turn came.
            _ => return,
        };
        drop(step);
        let result = catch_unwind(AssertUnwindSafe(code));
        // Under the lock: when the caller has its result, nothing of its worker's is held here.
        let mut step = self.lock();
        if let Step::Runs(caller) = std::mem::replace(&mut *step, Step::Left) {
            *step = Step::Ended(result);
            caller.unpark();
        }
    }
}

impl<F, R> Call<F, R> {
    fn take_result(&self) -> Option<Result<R, Box<dyn Any + Send>>> {
        let mut step = self.lock();
        if !matches!(*step, Step::Ended(_)) {
            return None;
        }
        match std::mem::replace(&mut *step, Step::Left) {
            Step::Ended(result) => Some(result),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Step<F, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that leaves, however its wait ends, and takes with it what has not begun.
struct Waiting<F, R>(Arc<Call<F, R>>);

impl<F, R> Drop for Waiting<F, R> {
    fn drop(&mut self) {
        // Dropped without the lock: it is the user's.
        let left = std::mem::replace(&mut *self.0.lock(), Step::Left);
        drop(left);
    }
}
