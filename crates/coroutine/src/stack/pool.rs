use std::io;
use std::mem;
use std::ptr::NonNull;

use super::bounds::Bounds;
use super::chunk::Chunk;
use super::config::{Config, Guards, Layout};
use super::mapping;

/// What [`Stacks`](super::Stacks) and every [`Stack`](super::Stack) of it share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) config: Config,
    pub(super) guards: Guards,
    layout: Layout,
    /// An index stays as it is for as long as its chunk lives.
    chunks: Vec<Option<Chunk>>,
    /// Which of them are `None`.
    vacant: Vec<usize>,
    /// The chunk that slots are cut from.
    newest: Option<usize>,
    /// The one given back last is the last.
    free: Vec<Slot>,
    /// How many of the free ones, from the first, have no pages.
    cold: usize,
    /// Whether the last trim has left something to do.
    has_more: bool,
    live: usize,
    high_water: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) base: NonNull<u8>,
    chunk: usize,
}

/// How much one call of [`Pool::trim`] does at the most, so that nobody waits long for its
/// worker: one to two microseconds for a stack, some ten for a chunk.
const STACKS_AT_A_TIME: usize = 256;
const CHUNKS_AT_A_TIME: usize = 16;

impl Pool {
    pub(super) fn new(config: Config, layout: Layout, guards: Guards) -> Self {
        Self {
            config,
            guards,
            layout,
            chunks: Vec::new(),
            vacant: Vec::new(),
            newest: None,
            free: Vec::new(),
            cold: 0,
            has_more: false,
            live: 0,
            high_water: 0,
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    #[inline]
    pub(super) fn take(&mut self) -> io::Result<Slot> {
        if self.live >= self.config.max_stacks {
            return Err(all_in_use());
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.cut()?,
        };
        self.cold = self.cold.min(self.free.len());
        self.live += 1;
        self.chunk(slot.chunk).live += 1;
        Ok(slot)
    }

    #[inline]
    pub(super) fn give(&mut self, slot: Slot) {
        self.live -= 1;
        self.chunk(slot.chunk).live -= 1;
        self.free.push(slot);
    }

    /// A slot that has never been used.
    #[cold]
    fn cut(&mut self) -> io::Result<Slot> {
        let layout = self.layout;
        let newest = self.newest.filter(|index| !self.chunk(*index).is_cut_up(layout));
        let chunk = match newest {
            Some(index) => index,
            None => self.map()?,
        };
        let guards = self.guards;
        Ok(Slot { base: self.chunk(chunk).cut(guards, layout)?, chunk })
    }

    fn map(&mut self) -> io::Result<usize> {
        let slots = self.layout.slots_of_chunk(self.config.max_stacks);
        let chunk = Chunk::new(slots, self.layout)?;
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            self.chunks.len() - 1
        });
        self.chunks[index] = Some(chunk);
        self.newest = Some(index);
        Ok(index)
    }

    fn chunk(&mut self, index: usize) -> &mut Chunk {
        match &mut self.chunks[index] {
            Some(chunk) => chunk,
            None => unreachable!("a slot's chunk lives as long as the slot"),
        }
    }

    pub(super) fn high_water_mark(&mut self) -> usize {
        let used = self.chunks.iter().flatten().map(|chunk| chunk.used(self.layout)).max();
        self.note_used(used.unwrap_or(0));
        self.high_water
    }

    /// Notes how much of a stack has been used, before its pages go.
    pub(super) fn note_used(&mut self, used: usize) {
        self.high_water = self.high_water.max(used);
    }

    /// Gives memory back, some of it at a time, and returns whether there is more.
    pub(super) fn trim(&mut self) -> bool {
        // What is going to be unmapped need not be discarded before.
        self.has_more = self.unmap_chunks() || self.discard_stacks();
        self.has_more
    }

    pub(super) fn is_trimmable(&self) -> bool {
        self.has_more || self.superfluous() > self.cold
    }

    /// How many of the free slots, from the first, need not stay warm.
    fn superfluous(&self) -> usize {
        self.free.len().saturating_sub(self.config.keep_warm)
    }

    /// Unmaps chunks that have neither a stack in use nor one that is to stay warm.
    fn unmap_chunks(&mut self) -> bool {
        if self.chunks.iter().flatten().all(|chunk| chunk.live > 0) {
            return false;
        }
        for index in self.superfluous()..self.free.len() {
            let chunk = self.free[index].chunk;
            self.chunk(chunk).is_warm = true;
        }
        let mut left = CHUNKS_AT_A_TIME;
        let mut more = false;
        for index in 0..self.chunks.len() {
            let Some(chunk) = &mut self.chunks[index] else { continue };
            if mem::take(&mut chunk.is_warm) || chunk.live != 0 {
                continue;
            }
            if left == 0 {
                more = true;
                continue;
            }
            left -= 1;
            let used = chunk.used(self.layout);
            self.note_used(used);
            self.chunks[index] = None;
            self.vacant.push(index);
            self.newest = self.newest.filter(|newest| *newest != index);
        }
        if left < CHUNKS_AT_A_TIME {
            let is_mapped = |slot: &Slot| self.chunks[slot.chunk].is_some();
            self.cold = self.free[..self.cold].iter().filter(|slot| is_mapped(slot)).count();
            self.free.retain(|slot| self.chunks[slot.chunk].is_some());
        }
        more
    }

    /// Gives back the pages of free stacks that need not stay warm.
    fn discard_stacks(&mut self) -> bool {
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

fn all_in_use() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "no more stacks: as many as allowed are in use")
}
