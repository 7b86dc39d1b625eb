//! Waiting for another thread or coroutine, and waking it; and what becomes of those that are cut.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::mailbox::Token;
use crate::remote::{Message, Remote};
use crate::scheduler::{Id, Woken};
use crate::worker::{Hook, Worker};

/// Waits for an [`Unparker`]: parks the coroutine that made it, or blocks the thread.
///
/// As with [`std::thread::park`] there is one token: an unpark that comes first makes the next
/// park return at once.
///
/// Only who made it may wait, so it stays on its thread:
///
/// ```compile_fail,E0277
/// let parker = socketserver_coroutine::Parker::new();
/// std::thread::spawn(move || parker.park(None));
/// ```
#[derive(Debug)]
pub struct Parker {
    shared: Arc<Shared>,
    /// Only who made it may wait.
    not_send: PhantomData<*const ()>,
}

/// Wakes a [`Parker`], from any thread.
#[derive(Clone, Debug)]
pub struct Unparker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    token: Token,
    owner: Owner,
}

#[derive(Debug)]
enum Owner {
    Thread(Thread),
    Coroutine(Arc<Remote>, Id),
}

impl Parker {
    /// A parker of the coroutine, or else the thread, that calls.
    pub fn new() -> Self {
        let coroutine = Worker::current().and_then(|worker| {
            let id = worker.running()?;
            Some(Owner::Coroutine(Arc::clone(worker.remote()), id))
        });
        let owner = coroutine.unwrap_or_else(|| Owner::Thread(thread::current()));
        let shared = Shared { token: Token::new(), owner };
        Self { shared: Arc::new(shared), not_send: PhantomData }
    }

    /// What wakes it.
    pub fn unparker(&self) -> Unparker {
        Unparker(Arc::clone(&self.shared))
    }

    /// Waits for the token and takes it.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `deadline` has come first; `ConnectionAborted`, marked as [`Cut`], in a
    /// coroutine that has been cut. A token that is there is taken first, in both cases.
    pub fn park(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.wait(deadline, true)
    }

    /// As [`park`](Self::park), but goes on waiting when the coroutine is cut.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `deadline` has come first.
    pub fn park_uncut(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.wait(deadline, false)
    }

    /// Takes the token, if it is there, without waiting.
    pub fn take(&self) -> bool {
        self.shared.token.take()
    }

    fn wait(&self, deadline: Option<Instant>, can_be_cut: bool) -> io::Result<()> {
        if let Owner::Thread(_) = self.shared.owner
            && !self.shared.token.is_there()
        {
            before_thread_waits();
        }
        loop {
            if self.take() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match &self.shared.owner {
                Owner::Coroutine(_, id) => {
                    let worker = Worker::current().filter(|worker| worker.running() == Some(*id));
                    let Some(worker) = worker else {
                        // While a panic unwinds; see `Worker::current`.
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    if worker.wait(deadline, can_be_cut) == Woken::Cut && can_be_cut && !self.take()
                    {
                        return Err(was_cut());
                    }
                }
                Owner::Thread(_) => match deadline {
                    None => thread::park(),
                    Some(deadline) => {
                        thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
                    }
                },
            }
        }
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl Unparker {
    /// Gives the token; the parker's wait, or its next one, returns.
    pub fn unpark(&self) {
        self.0.token.give();
        match &self.0.owner {
            Owner::Thread(thread) => thread.unpark(),
            Owner::Coroutine(remote, id) => {
                match Worker::current().filter(|worker| Arc::ptr_eq(worker.remote(), remote)) {
                    Some(worker) => worker.wake(*id),
                    // A worker that has ended has nobody who waits.
                    None => drop(remote.send(Message::Wake(*id))),
                }
            }
        }
    }
}

/// Waits for so long: `std::thread::sleep`, which in a coroutine parks it.
///
/// # Panics
///
/// In a coroutine that is cut, it unwinds with [`Cut`], without a message.
pub fn sleep(duration: Duration) {
    let Some(worker) = Worker::current() else {
        before_thread_waits();
        return thread::sleep(duration);
    };
    let deadline = Instant::now().checked_add(duration);
    loop {
        match worker.wait(deadline, true) {
            Woken::TimedOut => return,
            Woken::Event => {}
            Woken::Cut => unwind(),
        }
    }
}

thread_local! {
    static BEFORE_WAIT: Cell<Option<Hook>> = const { Cell::new(None) };
}

/// Runs `code`, and has `hook` called meanwhile whenever the coroutine that calls, or else the
/// thread, is about to wait in one of the functions of this crate; instead of the hook that there
/// was.
///
/// The hook may wait itself, and is not called for its own waits. It must not panic.
pub fn before_wait<R>(hook: &dyn Fn(), code: impl FnOnce() -> R) -> R {
    // SAFETY: the type says that it is valid for ever, which it is not: it is called by this
    // coroutine or thread, and not after `_restore` has been dropped, while it is borrowed here.
    let hook = unsafe { std::mem::transmute::<&dyn Fn(), &'static dyn Fn()>(hook) };
    let worker = Worker::current();
    let before = set_hook(worker.as_deref(), Some(hook));
    let _restore = RestoreHook { worker, before };
    code()
}

fn set_hook(worker: Option<&Worker>, hook: Option<Hook>) -> Option<Hook> {
    match worker {
        Some(worker) => worker.before_wait(hook),
        None => BEFORE_WAIT.replace(hook),
    }
}

struct RestoreHook {
    worker: Option<Rc<Worker>>,
    before: Option<Hook>,
}

impl Drop for RestoreHook {
    fn drop(&mut self) {
        set_hook(self.worker.as_deref(), self.before);
    }
}

fn before_thread_waits() {
    if let Some(hook) = BEFORE_WAIT.take() {
        hook();
        BEFORE_WAIT.set(Some(hook));
    }
}

/// Lets others run: `std::thread::yield_now`, which in a coroutine lets its worker's others.
pub fn yield_now() {
    match Worker::current() {
        Some(worker) => worker.yield_now(),
        None => thread::yield_now(),
    }
}

/// Whether the caller is a coroutine, so that waits park it and do not block the thread.
pub fn in_coroutine() -> bool {
    Worker::here().is_some()
}

/// Names the coroutine that calls among those of its thread; `None` on an ordinary thread.
///
/// The number is not used again before two thousand million others have had it.
pub fn current() -> Option<u64> {
    Worker::here().and_then(|worker| worker.running()).map(Id::to_bits)
}

/// Whether the coroutine that calls has been cut: its waits fail. Never, on an ordinary thread.
pub fn is_cut() -> bool {
    Worker::here().is_some_and(|worker| worker.is_cut())
}

/// Marks the error of a wait, and the panic of a wait that returns no error, in a coroutine that has
/// been cut, because nobody waits for it any longer.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coroutine has been cut")
    }
}

impl std::error::Error for Cut {}

pub(crate) fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, Cut)
}

/// Ends a wait that returns no error in a coroutine that has been cut.
pub(crate) fn unwind() -> ! {
    std::panic::resume_unwind(Box::new(Cut))
}
