//! A signal that wakes instead of killing.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use crate::waker::Waker;

/// The signals that ask a server to stop: Ctrl-C, and what `kill(1)` and service managers send.
const STOPPING: [i32; 2] = [SIGINT, SIGTERM];

/// Turns SIGINT and SIGTERM into wake-ups for as long as it lives.
///
/// The first signal wakes `first`, the second `second`; the third does what it does to a process
/// that handles none. Several watches at a time count each for itself. When the last is dropped,
/// the signals kill again.
#[derive(Debug)]
pub struct Watch {
    ids: Vec<SigId>,
}

/// What outlives the watches, since a handler once installed stays.
struct Installed {
    /// While it is set, SIGINT and SIGTERM do what they do by default: while nobody watches, and
    /// after the second signal.
    deadly: Arc<AtomicBool>,
}

/// How many watches there are. Changed under the lock of [`INSTALLED`], and read without it.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// As `sigaction(2)` has them.
    pub fn new(first: &Arc<Waker>, second: &Arc<Waker>) -> io::Result<Self> {
        let deadly = begin()?;
        // From here on, an error drops the watch, which undoes what has been done.
        let mut watch = Self { ids: Vec::new() };
        let received = Arc::new(AtomicUsize::new(0));
        for signal in STOPPING {
            let deadly = Arc::clone(&deadly);
            let received = Arc::clone(&received);
            let (first, second) = (Arc::clone(first), Arc::clone(second));
            let action = move || match received.fetch_add(1, Ordering::SeqCst) {
                0 => first.wake(),
                _ => {
                    second.wake();
                    deadly.store(true, Ordering::SeqCst);
                }
            };
            // SAFETY: the action does atomic operations and `write(2)`, which are
            // async-signal-safe; it does not allocate, lock or panic.
            watch.ids.push(unsafe { low_level::register(signal, action) }?);
        }
        Ok(watch)
    }
}

/// Counts one more watch, which takes their deadliness from the signals.
fn begin() -> io::Result<Arc<AtomicBool>> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let installed = match &mut *installed {
        Some(installed) => installed,
        none => {
            let deadly = Arc::new(AtomicBool::new(true));
            for signal in STOPPING {
                flag::register_conditional_default(signal, Arc::clone(&deadly))?;
            }
            none.insert(Installed { deadly })
        }
    };
    WATCHES.fetch_add(1, Ordering::SeqCst);
    installed.deadly.store(false, Ordering::SeqCst);
    Ok(Arc::clone(&installed.deadly))
}

impl Drop for Watch {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
        let installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        let was_last = WATCHES.fetch_sub(1, Ordering::SeqCst) == 1;
        if let Some(installed) = installed.as_ref().filter(|_| was_last) {
            installed.deadly.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether anybody watches.
pub(crate) fn are_watched() -> bool {
    WATCHES.load(Ordering::SeqCst) > 0
}

/// In a forked child of a process whose signals are watched: gives them to the child itself.
/// Called with all signals blocked.
///
/// SIGTERM ends the child, for that is how its parent ends it. SIGINT, which a terminal sends to
/// parent and children alike, is left to the parent, which decides what becomes of its children.
pub(crate) fn reset_in_child() {
    use nix::sys::signal::{SigHandler, Signal, signal};

    // SAFETY: the default action runs no code of ours.
    let _ = unsafe { signal(Signal::SIGTERM, SigHandler::SigDfl) };
    // SAFETY: ignoring a signal runs no code of ours.
    let _ = unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) };
}

/// Lets SIGINT do what it does by default again.
///
/// For a forked child of a watched server that is about to run another program: that SIGINT is
/// ignored would be inherited, and a shell script could not even trap it.
///
/// # Errors
///
/// As `sigaction(2)` has them.
pub fn restore_interrupt() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};

    // SAFETY: the default action runs no code of ours.
    unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nix::sys::signal::{Signal, raise};

    use super::{Watch, reset_in_child, restore_interrupt};
    use crate::process::{Exit, Threads, fork, wait};
    use crate::waker::Waker;

    #[test]
    fn the_first_signal_wakes_the_second_forces_the_third_kills() {
        let child = fork(Threads::Several, || {
            let (first, second) =
                (Arc::new(Waker::new().unwrap()), Arc::new(Waker::new().unwrap()));
            let _watch = Watch::new(&first, &second).unwrap();
            raise(Signal::SIGTERM).unwrap();
            assert!(first.clear() && !second.clear());
            raise(Signal::SIGINT).unwrap();
            assert!(!first.clear() && second.clear());
            raise(Signal::SIGTERM).unwrap();
            0
        });
        assert_eq!(wait(&child.unwrap()), Exit::Signal(15));
    }

    #[test]
    fn signals_kill_again_when_nobody_watches() {
        let child = fork(Threads::Several, || {
            let waker = Arc::new(Waker::new().unwrap());
            drop(Watch::new(&waker, &waker).unwrap());
            raise(Signal::SIGINT).unwrap();
            0
        });
        assert_eq!(wait(&child.unwrap()), Exit::Signal(2));
    }

    #[test]
    fn a_forked_child_ignores_the_interrupt_until_it_is_restored() {
        let ignored = fork(Threads::Several, || {
            let waker = Arc::new(Waker::new().unwrap());
            let _watch = Watch::new(&waker, &waker).unwrap();
            reset_in_child();
            raise(Signal::SIGINT).unwrap();
            restore_interrupt().unwrap();
            raise(Signal::SIGINT).unwrap();
            0
        });
        assert_eq!(wait(&ignored.unwrap()), Exit::Signal(2));
    }
}
