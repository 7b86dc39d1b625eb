//! What the protocol of waiting is built on: std and the crate's parker, or loom's models of both.

#[cfg(not(all(loom, test)))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(not(all(loom, test)))]
pub(super) use crate::park::{Parker, Unparker};

#[cfg(all(loom, test))]
pub(super) use loom::sync::{Mutex, MutexGuard};

#[cfg(all(loom, test))]
pub(super) use self::model::{Parker, Unparker};

/// A `const fn`; a plain one for loom, whose locks are not made at compile time.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(all(loom, test)))]
        $(#[$meta])* $vis const fn $($rest)*

        #[cfg(all(loom, test))]
        $(#[$meta])* $vis fn $($rest)*
    };
}

pub(super) use const_fn;

#[cfg(all(loom, test))]
mod model {
    use std::io;
    use std::time::Instant;

    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread::{self, Thread};

    /// The crate's parker over loom's threads. There is no clock in a model: a wait that has a
    /// deadline ends at once when it has no token, which meets every other step of the others.
    #[derive(Debug)]
    pub(in crate::sync) struct Parker(Unparker);

    #[derive(Clone, Debug)]
    pub(in crate::sync) struct Unparker {
        is_set: Arc<AtomicBool>,
        thread: Thread,
    }

    impl Parker {
        pub(in crate::sync) fn new() -> Self {
            let is_set = Arc::new(AtomicBool::new(false));
            Self(Unparker { is_set, thread: thread::current() })
        }

        pub(in crate::sync) fn unparker(&self) -> Unparker {
            self.0.clone()
        }

        pub(in crate::sync) fn park(&self, deadline: Option<Instant>) -> io::Result<()> {
            while !self.0.is_set.swap(false, Ordering::Acquire) {
                if deadline.is_some() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                thread::park();
            }
            Ok(())
        }
    }

    impl Unparker {
        pub(in crate::sync) fn unpark(&self) {
            self.is_set.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }
}
