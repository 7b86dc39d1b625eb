//! Which coroutines have waited for so long that their stacks are copied away.
//!
//! No clock is asked when a coroutine waits. Time is counted in *epochs* instead, which last for
//! half of [`Config::hibernate_after`](crate::Config::hibernate_after), and of which a coroutine
//! notes the number when it waits. Who began to wait in epoch 0 has waited for two whole epochs at
//! least when the third begins, and for three at the most:
//!
//! ```text
//!    epoch 0    |    epoch 1    |    epoch 2    |  epoch 3
//!        waits ─┼───────────────┼───────────────┼► hibernates
//! ```
//!
//! Only those are looked at that have waited since they last hibernated. When there are none, no
//! epoch begins either, so that a worker of which all hibernate sleeps until something happens.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::chores::Alarm;
use crate::scheduler::{Id, Scheduler};

/// How many are looked at in one turn of the worker, and how many of them hibernate.
const LOOKS: u32 = 1024;
const STACKS: usize = 64;

/// Lets those hibernate who have waited long, some at a time; returns how long it has time.
pub(crate) fn turn<C>(
    scheduler: &mut Scheduler<C>,
    hibernate: impl Fn(&mut C),
    alarm: &Alarm,
    epoch: Duration,
) -> Option<Duration> {
    let idle = scheduler.idle()?;
    if idle.is_done() {
        if idle.is_empty() {
            alarm.forget();
            return None;
        }
        let left = alarm.left(epoch);
        if !left.is_zero() {
            return Some(left);
        }
        idle.begin_epoch();
        alarm.set(epoch);
    }
    idle.begin_turn();
    for _ in 0..STACKS {
        let Some(task) = scheduler.next_idle() else { break };
        hibernate(task);
    }
    let idle = scheduler.idle()?;
    if !idle.is_done() {
        return Some(Duration::ZERO);
    }
    (!idle.is_empty()).then(|| alarm.left(epoch))
}

/// Those who may have waited long.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    epoch: u32,
    /// Each is here once, and so is perhaps one that has ended.
    listed: Vec<Id>,
    /// Those before this one are still to be looked at in this epoch.
    cursor: usize,
    /// How many may still be looked at in this turn.
    looks: u32,
}

impl Idle {
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn list(&mut self, id: Id) {
        self.listed.push(id);
    }

    /// Whether there is anybody to look at, now or later.
    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether all have been looked at in this epoch.
    pub(crate) fn is_done(&self) -> bool {
        self.cursor == 0
    }

    /// Begins another epoch: all are to be looked at.
    pub(crate) fn begin_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.cursor = self.listed.len();
    }

    /// Begins another turn: some are looked at.
    pub(crate) fn begin_turn(&mut self) {
        self.looks = LOOKS;
    }

    /// The next to look at.
    pub(crate) fn look(&mut self) -> Option<Id> {
        self.looks = self.looks.checked_sub(1)?;
        self.cursor = self.cursor.checked_sub(1)?;
        self.listed.get(self.cursor).copied()
    }

    /// Takes the one off the list that was looked at last.
    pub(crate) fn unlist(&mut self) {
        // The one that takes its place has been looked at, or has only just been added.
        self.listed.swap_remove(self.cursor);
    }

    pub(crate) fn is_long_ago(&self, epoch: u32) -> bool {
        self.epoch.wrapping_sub(epoch) >= 3
    }
}
