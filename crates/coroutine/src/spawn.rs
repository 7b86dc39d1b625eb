//! Starting coroutines from coroutines.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::Config;
use crate::park::{Parker, Unparker, unwind};
use crate::remote::Remote;
use crate::stack::Stack;
use crate::worker::Worker;

/// Runs `code` on a coroutine of its own, on the worker of the one that calls; on an ordinary
/// thread, on a thread of its own: `std::thread::spawn`.
///
/// It is `Send` for the sake of the latter, so that the same handler runs on threads too. Dropping
/// the handle lets it run on by itself.
///
/// # Panics
///
/// When there is neither a stack nor a thread to be had; [`try_spawn`] returns the error.
pub fn spawn<R, F>(code: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match try_spawn(code) {
        Ok(handle) => handle,
        Err(error) => panic!("cannot spawn: {error}"),
    }
}

/// As [`spawn`], and returns the error if there is neither a stack nor a thread to be had.
///
/// # Errors
///
/// `OutOfMemory` and `ENOMEM` when there is no stack; as `std::thread::Builder::spawn` has them.
pub fn try_spawn<R, F>(code: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let shared = Arc::new(Shared(Mutex::new(Inner { result: None, waiter: None })));
    let of_child = Arc::clone(&shared);
    let code = move || of_child.finish(catch_unwind(AssertUnwindSafe(code)));
    match Worker::current() {
        Some(worker) => drop(worker.spawn(code).map_err(|(_, error)| error)?),
        None => drop(thread::Builder::new().spawn(code)?),
    }
    Ok(JoinHandle(shared))
}

/// A stack on the worker of the coroutine that made it, to start another coroutine on.
///
/// Taken first, so that what is to run is not lost when there is none. It stays on its thread:
///
/// ```compile_fail,E0277
/// let reserved = socketserver_coroutine::Reserved::new().unwrap();
/// std::thread::spawn(move || reserved.spawn(|| {}));
/// ```
#[derive(Debug)]
pub struct Reserved {
    worker: Rc<Worker>,
    stack: Stack,
    name: &'static str,
}

impl Reserved {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// `Unsupported` on an ordinary thread; `ENOMEM` when there is no stack.
    pub fn new() -> io::Result<Self> {
        let worker = Worker::current().ok_or(io::ErrorKind::Unsupported)?;
        let stack = worker.reserve()?;
        Ok(Self { worker, stack, name: "coroutine" })
    }

    /// Says what the coroutine is called in the message of a stack overflow.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Runs `code` on it. Nobody waits for it, and it need not be `Send`. It must not panic: nobody
    /// is told.
    pub fn spawn(self, code: impl FnOnce() + 'static) {
        self.worker.start(self.stack, self.name, code);
    }
}

/// Runs `code` on a coroutine of a new worker on this thread, and all that it spawns, until `code`
/// has ended. What it returns is returned, and a panic goes on here.
///
/// Coroutines that it has spawned and that have not ended by then are cut.
///
/// # Errors
///
/// Those of making a reactor or a stack.
///
/// # Panics
///
/// In a coroutine.
pub fn run<R, F>(config: &Config, code: F) -> io::Result<R>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    assert!(Worker::current().is_none(), "a coroutine cannot run a worker");
    config.check()?;
    let worker = Worker::new(config, Arc::new(Remote::new()?))?;
    let result = std::rc::Rc::new(std::cell::RefCell::new(None));
    let of_child = std::rc::Rc::clone(&result);
    let child = move || {
        let ended = catch_unwind(AssertUnwindSafe(code));
        *of_child.borrow_mut() = Some(ended);
    };
    worker.spawn(child).map_err(|(_, error)| error)?;
    worker.run(|_| result.borrow().is_some())?;
    worker.cut_and_finish()?;
    let ended = result.borrow_mut().take();
    match ended {
        Some(Ok(result)) => Ok(result),
        Some(Err(payload)) => std::panic::resume_unwind(payload),
        None => Err(io::Error::other("the coroutine has not ended")),
    }
}

/// Waits for what [`spawn`] has started.
pub struct JoinHandle<R>(Arc<Shared<R>>);

struct Shared<R>(Mutex<Inner<R>>);

struct Inner<R> {
    result: Option<thread::Result<R>>,
    waiter: Option<Unparker>,
}

impl<R> Shared<R> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: thread::Result<R>) {
        let mut inner = self.lock();
        inner.result = Some(result);
        let waiter = inner.waiter.take();
        drop(inner);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }
}

impl<R> JoinHandle<R> {
    /// Waits for its end, and returns what it returned.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    ///
    /// # Panics
    ///
    /// In a coroutine that is cut, it unwinds with [`Cut`](crate::Cut).
    pub fn join(self) -> Result<R, Box<dyn Any + Send>> {
        let parker = Parker::new();
        loop {
            let mut inner = self.0.lock();
            if let Some(result) = inner.result.take() {
                return result;
            }
            inner.waiter = Some(parker.unparker());
            drop(inner);
            if parker.park(None).is_err() {
                unwind();
            }
        }
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.0.lock().result.is_some()
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}
