//! Deadlines: the earliest first, without a system call and almost without work for each wait.
//!
//! A coroutine that waits for its client with a timeout does so again and again, with a deadline a
//! little later each time, and hardly ever lets it pass. So a coroutine has at most one useful entry
//! here: if it has one that comes before its new deadline, nothing is noted; when the entry is due,
//! the coroutine is asked for its deadline, and entered again if that is still to come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::scheduler::Id;

/// Entries, the earliest on top.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Id)>>,
}

impl Timers {
    pub(crate) fn insert(&mut self, at: Instant, id: Id) {
        self.heap.push(Reverse((at, id)));
    }

    /// When the next entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out an entry that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Id)> {
        if self.next()? > now {
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
        let mut timers = Timers::default();
        for ms in [30, 10, 20] {
            timers.insert(at(ms), Id::new(u32::try_from(ms).unwrap(), 1));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(25)), Some((at(10), Id::new(10, 1))));
        assert_eq!(timers.pop(at(25)), Some((at(20), Id::new(20, 1))));
        assert_eq!(timers.pop(at(25)), None);
    }
}
