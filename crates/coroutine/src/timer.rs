//! Deadlines: the earliest first, without a system call and almost without work for each wait.
//!
//! A coroutine that waits for its client with a timeout does so again and again, with a deadline a
//! little later each time, and hardly ever lets it pass. So a coroutine has at most one useful entry
//! here: if it has one that comes before its new deadline, nothing is noted; when the entry is due,
//! the coroutine is asked for its deadline, and entered again if that is still to come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZero;
use std::time::{Duration, Instant};

use crate::scheduler::Id;

/// An [`Instant`] in half of its size: nanoseconds since the timers were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZero<u64>);

/// Entries, the earliest on top.
#[derive(Debug)]
pub(crate) struct Timers {
    start: Instant,
    heap: BinaryHeap<Reverse<(Moment, Id)>>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), heap: BinaryHeap::new() }
    }

    /// What is more than 500 years off is as good as those.
    pub(crate) fn moment(&self, at: Instant) -> Moment {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Moment(NonZero::new(nanos).unwrap_or(NonZero::<u64>::MIN))
    }

    pub(crate) fn insert(&mut self, at: Moment, id: Id) {
        self.heap.push(Reverse((at, id)));
    }

    /// When the next entry is due; as good as never if that cannot be told.
    pub(crate) fn next(&self) -> Option<Instant> {
        let Reverse((Moment(nanos), _)) = self.heap.peek()?;
        self.start.checked_add(Duration::from_nanos(nanos.get()))
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes out an entry that is due.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<(Moment, Id)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Timers;
    use crate::scheduler::Id;

    #[test]
    fn entries_are_due_in_their_order_and_not_before() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut timers = Timers::new();
        for ms in [30, 10, 20] {
            let moment = timers.moment(at(ms));
            timers.insert(moment, Id::new(u32::try_from(ms).unwrap(), 1));
        }
        assert_eq!(timers.next(), Some(at(10)));
        let mut pop = |ms| {
            let now = timers.moment(at(ms));
            timers.pop(now).map(|(moment, id)| (moment <= now, id))
        };
        assert_eq!(pop(9), None);
        assert_eq!(pop(25), Some((true, Id::new(10, 1))));
        assert_eq!(pop(25), Some((true, Id::new(20, 1))));
        assert_eq!(pop(25), None);
    }
}
