//! Which coroutines there are, which of them may run, and until when the others wait.
//!
//! It knows nothing of stacks and of descriptors, and switches to nobody: that is the worker's.

use std::collections::VecDeque;
use std::num::NonZero;
use std::time::Instant;

use crate::hibernate::Idle;
use crate::timer::{Moment, Timers};

/// Names a coroutine of one worker; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    index: u32,
    /// Tells a slot's present owner from those before.
    generation: NonZero<u32>,
}

impl Id {
    /// The owner of a slot in a generation; 0 is none, and stands for the first.
    pub(crate) fn new(index: u32, generation: u32) -> Self {
        Self { index, generation: NonZero::new(generation).unwrap_or(NonZero::<u32>::MIN) }
    }

    /// In 63 bits, for the kernel to keep.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self::new(bits as u32, (bits >> 32) as u32 & GENERATIONS)
    }
}

/// Generations go round, in 31 bits.
const GENERATIONS: u32 = u32::MAX >> 1;

/// Why a coroutine that waited goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What it waited for may have happened.
    Event,
    /// Its deadline has come.
    TimedOut,
    /// It has been cut.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Waiting,
    /// The slot is nobody's.
    Free,
}

/// How many there is room for at first. It is so much that the allocator takes it from the kernel,
/// page by page as it is used; what is less leaves gaps among other things when it grows.
const ROOM: usize = 4096;

/// How many are let go on in one turn because their deadlines have come.
const EXPIRING: usize = 1024;

/// One coroutine; `C` is what runs it.
struct Slot<C> {
    generation: u32,
    state: State,
    woken: Woken,
    is_cut: bool,
    /// Whether it is among those who are looked at for having waited long.
    is_listed: bool,
    /// In which epoch it began to wait.
    since: u32,
    deadline: Option<Moment>,
    /// When the earliest of its entries among the timers is due.
    armed: Option<Moment>,
    /// Not here while it runs; and no longer, when the slot is free.
    coroutine: Option<C>,
}

/// The coroutines of one worker.
pub(crate) struct Scheduler<C> {
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
    ready: VecDeque<Id>,
    timers: Timers,
    /// Who may have waited long, if anybody wants to know.
    idle: Option<Idle>,
}

impl<C> Scheduler<C> {
    /// One that finds those who have waited long, if it `watches_idle`.
    pub(crate) fn new(watches_idle: bool) -> Self {
        Self {
            slots: Vec::with_capacity(ROOM),
            free: Vec::new(),
            ready: VecDeque::new(),
            timers: Timers::new(),
            idle: watches_idle.then(Idle::default),
        }
    }

    /// How many coroutines there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many may run now.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Adds one, which may run.
    pub(crate) fn insert(&mut self, coroutine: C) -> Id {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                state: State::Ready,
                woken: Woken::Event,
                is_cut: false,
                is_listed: false,
                since: 0,
                deadline: None,
                armed: None,
                coroutine: None,
            });
            // More than there is memory for.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = (slot.generation & GENERATIONS) % GENERATIONS + 1;
        slot.state = State::Ready;
        slot.woken = Woken::Event;
        slot.is_cut = false;
        slot.is_listed = false;
        slot.deadline = None;
        slot.armed = None;
        slot.coroutine = Some(coroutine);
        let id = Id::new(index, slot.generation);
        self.ready.push_back(id);
        id
    }

    /// Takes the next that may run, to run it.
    pub(crate) fn next(&mut self) -> Option<(Id, C)> {
        while let Some(id) = self.ready.pop_front() {
            if let Some(slot) = self.slot(id) {
                slot.state = State::Running;
                if let Some(coroutine) = slot.coroutine.take() {
                    return Some((id, coroutine));
                }
            }
        }
        None
    }

    /// Puts back one that has not ended.
    pub(crate) fn put_back(&mut self, id: Id, coroutine: C) {
        if let Some(slot) = self.slot(id) {
            slot.coroutine = Some(coroutine);
        }
    }

    /// Puts one back that was to run and cannot yet; it is next after those that may.
    pub(crate) fn put_off(&mut self, id: Id, coroutine: C) {
        if let Some(slot) = slot(&mut self.slots, id) {
            slot.coroutine = Some(coroutine);
            slot.state = State::Ready;
            self.ready.push_back(id);
        }
    }

    /// All that are there and do not run.
    #[cfg(test)]
    pub(crate) fn coroutines(&self) -> impl Iterator<Item = &C> {
        self.slots.iter().filter_map(|slot| slot.coroutine.as_ref())
    }

    /// Takes out all that are there and do not run.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = C> {
        self.slots.iter_mut().filter_map(|slot| slot.coroutine.take())
    }

    /// Forgets one that has ended.
    pub(crate) fn remove(&mut self, id: Id) {
        if let Some(slot) = self.slot(id) {
            // Now and not when the slot is used again, so that wakes that come late miss it.
            slot.generation = (slot.generation & GENERATIONS) % GENERATIONS + 1;
            slot.state = State::Free;
            self.free.push(id.index);
        }
    }

    /// Notes that the one that runs is about to wait. False if it must not, for it was cut.
    pub(crate) fn wait(&mut self, id: Id, deadline: Option<Instant>, can_be_cut: bool) -> bool {
        let Some(slot) = slot(&mut self.slots, id) else {
            return false;
        };
        if slot.is_cut && can_be_cut {
            return false;
        }
        slot.state = State::Waiting;
        let deadline = deadline.map(|deadline| self.timers.moment(deadline));
        slot.deadline = deadline;
        if let Some(idle) = &mut self.idle {
            slot.since = idle.epoch();
            if !slot.is_listed {
                slot.is_listed = true;
                idle.list(id);
            }
        }
        if let Some(deadline) = deadline
            && slot.armed.is_none_or(|armed| deadline < armed)
        {
            slot.armed = Some(deadline);
            self.timers.insert(deadline, id);
        }
        true
    }

    /// Why the one that runs was woken.
    pub(crate) fn woken(&mut self, id: Id) -> Woken {
        self.slot(id).map_or(Woken::Event, |slot| slot.woken)
    }

    /// Lets one go on, if it waits.
    pub(crate) fn wake(&mut self, id: Id, woken: Woken) {
        if let Some(slot) = slot(&mut self.slots, id)
            && slot.state == State::Waiting
        {
            slot.state = State::Ready;
            slot.woken = woken;
            self.ready.push_back(id);
        }
    }

    /// Lets the one that runs run again, after all others that may.
    pub(crate) fn yield_now(&mut self, id: Id) {
        if let Some(slot) = slot(&mut self.slots, id) {
            slot.state = State::Ready;
            slot.woken = Woken::Event;
            self.ready.push_back(id);
        }
    }

    /// Whether it has been cut.
    pub(crate) fn is_cut(&mut self, id: Id) -> bool {
        self.slot(id).is_some_and(|slot| slot.is_cut)
    }

    /// Makes the waits of one fail, from now on.
    pub(crate) fn cut(&mut self, id: Id) {
        if let Some(slot) = self.slot(id) {
            slot.is_cut = true;
            self.wake(id, Woken::Cut);
        }
    }

    /// Makes the waits of all but one fail, from now on.
    pub(crate) fn cut_all(&mut self, except: Option<Id>) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let id = Id::new(index as u32, slot.generation);
            if slot.state != State::Free && Some(id) != except {
                self.cut(id);
            }
        }
    }

    /// Who may have waited long, if anybody wants to know.
    pub(crate) fn idle(&mut self) -> Option<&mut Idle> {
        self.idle.as_mut()
    }

    /// One that has waited for three epochs, which is told once for each of its waits. `None` when
    /// all have been looked at in this epoch, or as many as are looked at in one turn.
    pub(crate) fn next_idle(&mut self) -> Option<&mut C> {
        let idle = self.idle.as_mut()?;
        while let Some(id) = idle.look() {
            match slot(&mut self.slots, id) {
                None => idle.unlist(),
                Some(slot) if slot.state == State::Waiting && idle.is_long_ago(slot.since) => {
                    slot.is_listed = false;
                    idle.unlist();
                    return self.slots[id.index as usize].coroutine.as_mut();
                }
                Some(_) => {}
            }
        }
        None
    }

    /// When the next deadline may come.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets those go on whose deadline has come, some at a time.
    pub(crate) fn expire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = self.timers.moment(Instant::now());
        for _ in 0..EXPIRING {
            let Some((at, id)) = self.timers.pop(now) else { return };
            let Some(slot) = slot(&mut self.slots, id) else { continue };
            if slot.armed == Some(at) {
                slot.armed = None;
            }
            match slot.deadline {
                Some(_) if slot.state != State::Waiting => {}
                Some(deadline) if deadline <= now => self.wake(id, Woken::TimedOut),
                Some(deadline) if slot.armed.is_none() => {
                    slot.armed = Some(deadline);
                    self.timers.insert(deadline, id);
                }
                _ => {}
            }
        }
    }

    fn slot(&mut self, id: Id) -> Option<&mut Slot<C>> {
        slot(&mut self.slots, id)
    }
}

fn slot<C>(slots: &mut [Slot<C>], id: Id) -> Option<&mut Slot<C>> {
    slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation.get())
}
