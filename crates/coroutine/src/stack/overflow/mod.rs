//! What happens when a coroutine overflows its stack: it is named, and the process aborts, as the
//! standard library does it for a thread.
//!
//! The guard below the stack makes the access that goes too far a SIGSEGV. Its handler runs on the
//! alternate signal stack of the thread, since there is no room on the other, and compares the
//! address of the access with the guard of the coroutine that the thread runs just then. Any
//! other SIGSEGV is left to the handler that was there before.

mod alternate;
mod handler;
mod running;

pub use self::alternate::Alternate;
pub use self::running::{Running, running};

use std::io;

/// Lets the overflows of coroutines on this thread be reported, as long as what it returns lives.
///
/// The handler is installed by the first call in the process, and stays. Each thread that runs
/// coroutines calls it for its alternate signal stack.
///
/// # Errors
///
/// As `sigaction(2)`, `sigaltstack(2)` and `mmap(2)`.
pub fn install() -> io::Result<Alternate> {
    handler::install()?;
    Alternate::of_this_thread()
}
