//! What the kernel may still touch: one slot for each operation in flight.

use std::mem;

use super::address::Address;

/// An operation that was pushed, to name it in [`cancel`](super::Ring::cancel).
///
/// It names that operation for ever: when the operation is over, its name means nothing, even if
/// another operation has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation(pub(super) u64);

/// What an operation owns until it is over.
#[derive(Debug)]
pub(super) enum Owned {
    /// Nothing, or buffers of the group, which the kernel names when it has taken one.
    Nothing,
    /// An accept: sockets come of it. If there is an address, the kernel writes the peer's there.
    Accept(Option<Address>),
    /// A send, and what it reads from.
    Bytes(Vec<u8>),
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first free slot, and `slots.len()` when there is none.
    free: u32,
    taken: u32,
}

#[derive(Debug)]
struct Slot {
    token: u64,
    /// Counts the operations that were here, so that no two have the same name.
    generation: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// And the next free one.
    Free(u32),
    Taken(Owned),
}

impl Slots {
    /// Room for `count`, which grows when it does not suffice.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { slots: Vec::with_capacity(count), free: 0, taken: 0 }
    }

    /// Takes a slot.
    #[inline]
    pub(super) fn insert(&mut self, token: u64, owned: Owned) -> Operation {
        let index = self.free;
        self.taken += 1;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            let state = mem::replace(&mut slot.state, State::Taken(owned));
            let State::Free(next) = state else { unreachable!("the free list holds free slots") };
            self.free = next;
            slot.token = token;
            return Operation::new(index, slot.generation);
        }
        self.slots.push(Slot { token, generation: 0, state: State::Taken(owned) });
        self.free += 1;
        Operation::new(index, 0)
    }

    /// What an operation in flight was pushed with.
    #[inline]
    pub(super) fn look(&self, operation: Operation) -> Option<(u64, &Owned)> {
        let slot = self.slots.get(operation.index())?;
        match &slot.state {
            State::Taken(owned) if slot.generation == operation.generation() => {
                Some((slot.token, owned))
            }
            _ => None,
        }
    }

    /// Ends an operation, and gives back what it owned.
    #[inline]
    pub(super) fn remove(&mut self, operation: Operation) -> Option<(u64, Owned)> {
        let slot = self.slots.get_mut(operation.index())?;
        if slot.generation != operation.generation() || matches!(slot.state, State::Free(_)) {
            return None;
        }
        let state = mem::replace(&mut slot.state, State::Free(self.free));
        let State::Taken(owned) = state else { unreachable!("looked at above") };
        slot.generation = slot.generation.wrapping_add(1);
        self.free = operation.0 as u32;
        self.taken -= 1;
        Some((slot.token, owned))
    }

    /// How many operations are in flight.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }
}

impl Operation {
    /// What no operation is called; completions that nobody waits for have it.
    pub(super) const NONE: Self = Self(u64::MAX);

    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    fn index(self) -> usize {
        self.0 as u32 as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
