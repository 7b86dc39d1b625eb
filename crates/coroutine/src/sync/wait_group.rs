//! Waiting until several have ended.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::never_cut;
use super::queue::{Place, Queue, deadline, lock, wait, wake};
use super::shim::{Mutex, Parker, Unparker};

/// Waits until all work that was [added](Self::add) has ended. A clone is the same group.
///
/// ```
/// use socketserver_coroutine::sync::WaitGroup;
///
/// let group = WaitGroup::new();
/// for _ in 0..3 {
///     let work = group.add();
///     std::thread::spawn(move || {
///         // What is to be done; then, and after a panic too:
///         drop(work);
///     });
/// }
/// group.wait();
/// assert_eq!(group.count(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct WaitGroup(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    count: usize,
    /// Empty while the count is 0.
    queue: Queue,
}

impl Default for State {
    fn default() -> Self {
        Self { count: 0, queue: Queue::new() }
    }
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

impl WaitGroup {
    /// A group without work.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds work, which ends when what is returned is dropped. Add it before it is handed to
    /// whoever does it: a [`wait`](Self::wait) that finds none has nothing to wait for.
    pub fn add(&self) -> Work {
        lock(&self.0).count += 1;
        Work(self.clone())
    }

    /// How much work has not ended.
    pub fn count(&self) -> usize {
        lock(&self.0).count
    }

    /// Waits until there is no work left: parks the coroutine, or blocks the thread. Work that is
    /// added after that moment is not waited for.
    ///
    /// # Panics
    ///
    /// In a coroutine that is cut while it waits: it unwinds, with [`Cut`](crate::Cut).
    pub fn wait(&self) {
        never_cut(self.wait_until(None));
    }

    /// As [`wait`](Self::wait), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut`, and `ConnectionAborted` in a coroutine that has been cut while it waits.
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.wait_until(deadline(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.count == 0 {
            return Ok(());
        }
        let parker = Parker::new();
        let ticket = Ticket(state.queue.join(parker.unparker(), ()));
        drop(state);
        wait(&self.0, ticket, &parker, deadline).map_err(|(error, ())| error)
    }
}

/// Work of a [`WaitGroup`], from [`add`](WaitGroup::add). It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the work has ended when it is dropped"]
pub struct Work(WaitGroup);

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.count -= 1;
        let waiters = if state.count == 0 { state.queue.take_all() } else { Vec::new() };
        drop(state);
        wake(waiters);
    }
}
