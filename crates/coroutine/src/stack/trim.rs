use super::bounds::Bounds;
use super::mapping;
use super::pool::{Pool, Slot};

/// How much one call does at the most, so that nobody waits long for its worker: discarding a
/// stack takes some microseconds, unmapping a chunk some ten for each page that was touched.
const STACKS_AT_A_TIME: usize = 64;
const CHUNKS_AT_A_TIME: usize = 4;

impl Pool {
    /// Gives memory back, some of it at a time, and returns whether there is more.
    pub(super) fn trim(&mut self) -> bool {
        if !self.has_more {
            self.doom();
        }
        self.has_more = self.unmap() || self.discard();
        self.has_more
    }

    pub(super) fn is_trimmable(&self) -> bool {
        self.has_more || self.superfluous() > self.cold
    }

    /// How many of the free slots, from the first, need not stay warm.
    fn superfluous(&self) -> usize {
        self.free.len().saturating_sub(self.config.keep_warm)
    }

    /// Sets those chunks apart of which all slots are free and none is to stay warm.
    fn doom(&mut self) {
        let mut superfluous = vec![0; self.chunks.len()];
        for slot in &self.free[..self.superfluous()] {
            superfluous[slot.chunk] += 1;
        }
        for (index, count) in superfluous.into_iter().enumerate() {
            let chunk = self.chunks[index].take_if(|chunk| chunk.slots() == count);
            if let Some(chunk) = chunk {
                self.doomed.push(chunk);
                self.vacant.push(index);
                self.newest = self.newest.filter(|newest| *newest != index);
            }
        }
        if !self.doomed.is_empty() {
            let stays = |slot: &Slot| self.chunks[slot.chunk].is_some();
            self.cold = self.free[..self.cold].iter().filter(|slot| stays(slot)).count();
            self.free.retain(|slot| self.chunks[slot.chunk].is_some());
        }
    }

    /// Unmaps chunks that are set apart.
    fn unmap(&mut self) -> bool {
        for _ in 0..CHUNKS_AT_A_TIME {
            let Some(chunk) = self.doomed.pop() else { return false };
            self.note_used(chunk.used(self.layout));
        }
        !self.doomed.is_empty()
    }

    /// Gives back the pages of free stacks that need not stay warm.
    fn discard(&mut self) -> bool {
        let superfluous = self.superfluous();
        let end = superfluous.min(self.cold + STACKS_AT_A_TIME);
        for index in self.cold..end {
            let bounds = Bounds::of_slot(self.free[index].base, self.layout);
            self.note_used(bounds.used());
            // Memory that is locked cannot be given back, and stays.
            // SAFETY: the slot is free, so nothing is on it, and its chunk is mapped.
            let _ = unsafe { mapping::discard(bounds.low(), bounds.size()) };
        }
        self.cold = self.cold.max(end);
        self.cold < superfluous
    }
}
