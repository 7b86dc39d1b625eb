//! What a worker does now and then, before it waits for the kernel: giving memory back.
//!
//! Its clock is the kernel's coarse one, which costs no more than some loads and is a few
//! milliseconds late.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::stack::Stacks;

/// How long free stacks keep their memory that need not.
const TRIM_AFTER: Duration = Duration::from_secs(1);

/// How long until the next are trimmed, when they are too many for one turn.
const TRIM_NEXT: Duration = Duration::from_millis(10);

/// When something is to be done that is wanted.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Cell<Option<Duration>>);

impl Alarm {
    /// It is not wanted any more.
    pub(crate) fn forget(&self) {
        self.0.set(None);
    }

    /// How long until it is due, if it is wanted; `after` from when it was first wanted.
    pub(crate) fn left(&self, after: Duration) -> Duration {
        let now = now();
        let due = self.0.get().unwrap_or(now + after);
        self.0.set(Some(due));
        due.saturating_sub(now)
    }

    /// It has been done, and is wanted again so much later.
    pub(crate) fn set(&self, after: Duration) {
        self.0.set(Some(now() + after));
    }
}

/// Trims stacks if it is time to; returns how long it has time.
pub(crate) fn trim(stacks: &Stacks, alarm: &Alarm) -> Option<Duration> {
    if !stacks.is_trimmable() {
        alarm.forget();
        return None;
    }
    let left = alarm.left(TRIM_AFTER);
    if !left.is_zero() {
        return Some(left);
    }
    let next = if stacks.trim() { TRIM_NEXT } else { TRIM_AFTER };
    alarm.set(next);
    stacks.is_trimmable().then_some(next)
}

/// The time, to some milliseconds.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
