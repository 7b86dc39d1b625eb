//! Calls that block the thread, made elsewhere.

mod call;
#[cfg(all(loom, test))]
mod models;
mod pool;
#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Instant;

use self::call::Call;
use self::pool::Pool;
use crate::park;

/// How many threads the pool has at most, unless [`set_blocking_threads`] says otherwise.
///
/// What runs there waits for a disk, a name server or a database, and takes no processor
/// meanwhile; so the bound is no matter of cores. It must be above what may wait at one time, for
/// one slow name server must not hold up every file; and below what systems let one service have
/// (container limits of about a thousand tasks are common). A thread that waits takes some 40 KB, so
/// that all of them take 20 MB.
pub const BLOCKING_THREADS: usize = 512;

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(BLOCKING_THREADS));

/// Runs `code` on a thread where it may block, parks the coroutine until it has ended, and returns
/// what it returned. On an ordinary thread it just calls `code`.
///
/// It is for what waits by no means of this crate: files, `std::process`, a client library with
/// sockets of its own; and for what computes for so long that the worker's others would notice.
/// The way there and back takes tens of microseconds.
///
/// The threads are shared by the whole process. They are made when they are needed, up to
/// [`BLOCKING_THREADS`] or what [`set_blocking_threads`] says, named `blocking-` and a number, and
/// end when there has been nothing to do for ten seconds. While all are busy, callers wait,
/// parked, and are served in the order of arrival. If the system has no thread to give, and the
/// pool has none, `code` runs where it was called, and blocks the worker.
///
/// # Panics
///
/// A panic of `code` goes on in the caller; its message is printed by the pool's thread.
///
/// In a coroutine that is cut while it waits, it unwinds with [`Cut`](crate::Cut): what has begun
/// runs to its end, and its result is dropped; what has not begun is dropped.
///
/// ```
/// use socketserver_coroutine::blocking::blocking;
///
/// let text = blocking(|| std::fs::read_to_string("/proc/self/status"))?;
/// assert!(text.contains("Threads:"));
/// # std::io::Result::Ok(())
/// ```
///
/// The closure goes to another thread, and may outlive the coroutine:
///
/// ```compile_fail,E0277
/// let count = std::rc::Rc::new(1);
/// socketserver_coroutine::blocking::blocking(move || *count);
/// ```
pub fn blocking<F, R>(code: F) -> R
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    until(None, code).unwrap_or_else(|_cut| park::unwind())
}

/// As [`blocking`], but waits no longer than until `deadline`. On an ordinary thread it just calls
/// `code`, however long that takes: a forked child has none of the pool's threads.
///
/// # Errors
///
/// `TimedOut` at the deadline, and `ConnectionAborted` in a coroutine that has been cut.
pub(crate) fn until<F, R>(deadline: Option<Instant>, code: F) -> io::Result<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    if park::in_coroutine() { Call::run(&POOL, deadline, code) } else { Ok(code()) }
}

/// Bounds the threads of [`blocking`] from now on. If there are more, as many end, each when it is
/// done with what it runs.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use socketserver_coroutine::blocking::set_blocking_threads;
///
/// set_blocking_threads(NonZeroUsize::new(16).ok_or("zero")?);
/// # Ok::<(), &str>(())
/// ```
pub fn set_blocking_threads(max: NonZeroUsize) {
    POOL.set_max(max.get());
}
