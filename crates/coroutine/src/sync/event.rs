//! Something that has happened, or has not.

use std::io;
use std::time::{Duration, Instant};

use super::never_cut;
use super::queue::{Place, Queue, deadline, lock, wait, wake};
use super::shim::{Mutex, Parker, Unparker, const_fn};

/// A flag that can be waited for: Python's `threading.Event`.
///
/// ```
/// use socketserver_coroutine::sync::Event;
///
/// static LOADED: Event = Event::new();
///
/// std::thread::spawn(|| LOADED.set());
/// LOADED.wait();
/// assert!(LOADED.is_set());
/// ```
#[derive(Debug)]
pub struct Event(Mutex<State>);

#[derive(Debug)]
struct State {
    is_set: bool,
    /// Empty while it is set.
    queue: Queue,
}

struct Ticket(u64);

impl Place<State> for Ticket {
    type Given = ();
    type Left = ();

    fn take(&self, state: &mut State) -> Option<()> {
        (!state.queue.contains(self.0)).then_some(())
    }

    fn leave(&self, state: &mut State) -> ((), Option<Unparker>) {
        state.queue.leave(self.0);
        ((), None)
    }
}

impl Event {
    const_fn! {
        /// One that is not set.
        #[must_use]
        pub fn new() -> Self {
            Self(Mutex::new(State { is_set: false, queue: Queue::new() }))
        }
    }

    /// Sets it: all who wait go on, and who comes does not wait.
    pub fn set(&self) {
        let mut state = lock(&self.0);
        state.is_set = true;
        let all = state.queue.take_all();
        drop(state);
        wake(all);
    }

    /// Takes it back: who comes from now on waits. Who was woken goes on nevertheless.
    pub fn clear(&self) {
        lock(&self.0).is_set = false;
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        lock(&self.0).is_set
    }

    /// Waits until it is set: parks the coroutine, or blocks the thread.
    ///
    /// # Panics
    ///
    /// In a coroutine that is cut while it waits: it unwinds, with [`Cut`](crate::Cut).
    pub fn wait(&self) {
        never_cut(self.wait_until(None));
    }

    /// Waits until it is set, but no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut`, and `ConnectionAborted` in a coroutine that has been cut while it waits.
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.wait_until(deadline(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.is_set {
            return Ok(());
        }
        let parker = Parker::new();
        let ticket = Ticket(state.queue.join(parker.unparker(), ()));
        drop(state);
        wait(&self.0, ticket, &parker, deadline).map_err(|(error, ())| error)
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}
