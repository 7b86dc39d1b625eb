//! What the protocols of waiting, and of the threads that block, are built on: std and the crate's parker, or loom's models of both.

#[cfg(not(all(loom, test)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(not(all(loom, test)))]
pub(crate) use std::thread::Builder;

#[cfg(not(all(loom, test)))]
pub(crate) use crate::park::{Parker, Unparker};

#[cfg(all(loom, test))]
pub(crate) use loom::sync::{Mutex, MutexGuard};

#[cfg(all(loom, test))]
pub(crate) use loom::thread::Builder;

#[cfg(all(loom, test))]
pub(crate) use self::model::{Parker, Unparker, cut};

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
    use std::cell::Cell;
    use std::io;
    use std::sync::PoisonError;
    use std::time::Instant;

    use loom::sync::{Arc, Condvar, Mutex};

    loom::thread_local! {
        /// Whether a wait of this thread with a deadline is cut, and does not time out.
        static IS_CUT: Cell<bool> = Cell::new(false);
    }

    /// From now on waits of the thread that calls, if they have a deadline, are cut.
    pub(crate) fn cut() {
        IS_CUT.with(|is_cut| is_cut.set(true));
    }

    /// The crate's parker over loom's locks. There is no clock in a model: a wait that has a
    /// deadline ends at once when it has no token, which meets every other step of the others.
    #[derive(Debug)]
    pub(crate) struct Parker(Unparker);

    #[derive(Clone, Debug)]
    pub(crate) struct Unparker(Arc<(Mutex<bool>, Condvar)>);

    impl Parker {
        pub(crate) fn new() -> Self {
            Self(Unparker(Arc::new((Mutex::new(false), Condvar::new()))))
        }

        pub(crate) fn unparker(&self) -> Unparker {
            self.0.clone()
        }

        pub(crate) fn park(&self, deadline: Option<Instant>) -> io::Result<()> {
            let (token, is_given) = &*self.0.0;
            let mut token = token.lock().unwrap_or_else(PoisonError::into_inner);
            while !std::mem::take(&mut *token) {
                if deadline.is_some() {
                    let is_cut = IS_CUT.with(Cell::get);
                    let kinds = (io::ErrorKind::ConnectionAborted, io::ErrorKind::TimedOut);
                    return Err(if is_cut { kinds.0 } else { kinds.1 }.into());
                }
                token = is_given.wait(token).unwrap_or_else(PoisonError::into_inner);
            }
            Ok(())
        }
    }

    impl Unparker {
        pub(crate) fn unpark(&self) {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.1.notify_one();
        }
    }
}
