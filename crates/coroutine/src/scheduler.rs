//! Which coroutines there are, which of them may run, and until when the others wait.
//!
//! It knows nothing of stacks and of descriptors, and switches to nobody: that is the worker's.

use std::collections::VecDeque;
use std::time::Instant;

use crate::timer::Timers;

/// Names a coroutine of one worker; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    index: u32,
    /// At least 1, so that it tells a slot's present owner from those before.
    generation: u32,
}

impl Id {
    pub(crate) fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// In 63 bits, for the kernel to keep.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 & GENERATIONS }
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
}

/// One coroutine; `C` is what runs it.
struct Slot<C> {
    generation: u32,
    state: State,
    woken: Woken,
    is_cut: bool,
    deadline: Option<Instant>,
    /// When the earliest of its entries among the timers is due.
    armed: Option<Instant>,
    /// Not here while it runs; and no longer, when the slot is free.
    coroutine: Option<C>,
}

/// The coroutines of one worker.
pub(crate) struct Scheduler<C> {
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
    ready: VecDeque<Id>,
    timers: Timers,
}

impl<C> Scheduler<C> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            timers: Timers::default(),
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

    /// Takes out any one that is there and does not run.
    pub(crate) fn take(&mut self) -> Option<C> {
        self.slots.iter_mut().find_map(|slot| slot.coroutine.take())
    }

    /// Forgets one that has ended.
    pub(crate) fn remove(&mut self, id: Id) {
        if let Some(slot) = self.slot(id) {
            // Now and not when the slot is used again, so that wakes that come late miss it.
            slot.generation = (slot.generation & GENERATIONS) % GENERATIONS + 1;
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
        slot.deadline = deadline;
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

    /// Makes the waits of all fail, from now on.
    pub(crate) fn cut_all(&mut self) {
        let free: std::collections::HashSet<u32> = self.free.iter().copied().collect();
        for index in (0..self.slots.len() as u32).filter(|index| !free.contains(index)) {
            self.cut(Id::new(index, self.slots[index as usize].generation));
        }
    }

    /// When the next deadline may come.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets those go on whose deadline has come.
    pub(crate) fn expire(&mut self) {
        if self.timers.next().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some((at, id)) = self.timers.pop(now) {
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
    slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
}
