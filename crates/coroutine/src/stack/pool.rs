use std::io;
use std::ptr::NonNull;

use super::chunk::Chunk;
use super::config::{Config, Guards, Layout};

/// What [`Stacks`](super::Stacks) and every [`Stack`](super::Stack) of it share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) config: Config,
    pub(super) guards: Guards,
    pub(super) layout: Layout,
    /// An index stays as it is for as long as its chunk lives.
    pub(super) chunks: Vec<Option<Chunk>>,
    /// Which of them are `None`.
    pub(super) vacant: Vec<usize>,
    /// The chunk that slots are cut from.
    pub(super) newest: Option<usize>,
    /// Chunks that are going to be unmapped. None of their slots is taken, or on the list.
    pub(super) doomed: Vec<Chunk>,
    /// The one given back last is the last.
    pub(super) free: Vec<Slot>,
    /// How many of the free ones, from the first, have no pages.
    pub(super) cold: usize,
    /// Whether the last trim has left something to do.
    pub(super) has_more: bool,
    live: usize,
    high_water: usize,
}

/// A slot, which whoever has it owns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) base: NonNull<u8>,
    pub(super) chunk: usize,
}

impl Pool {
    pub(super) fn new(config: Config, layout: Layout, guards: Guards) -> Self {
        Self {
            config,
            guards,
            layout,
            chunks: Vec::new(),
            vacant: Vec::new(),
            newest: None,
            doomed: Vec::new(),
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
            None => self.another()?,
        };
        self.cold = self.cold.min(self.free.len());
        self.live += 1;
        Ok(slot)
    }

    #[inline]
    pub(super) fn give(&mut self, slot: Slot) {
        self.live -= 1;
        self.free.push(slot);
    }

    /// A slot when none is on the list.
    #[cold]
    fn another(&mut self) -> io::Result<Slot> {
        loop {
            if let Some(slot) = self.cut() {
                return slot;
            }
            if let Some(chunk) = self.doomed.pop() {
                let index = self.keep(chunk);
                self.newest = Some(index);
                self.free.extend(self.slots_of(index));
                if let Some(slot) = self.free.pop() {
                    return Ok(slot);
                }
            }
            let slots = self.layout.slots_of_chunk(self.config.max_stacks);
            let chunk = Chunk::new(slots, self.layout)?;
            self.newest = Some(self.keep(chunk));
        }
    }

    /// A slot that has never been used, unless the newest chunk is cut up.
    fn cut(&mut self) -> Option<io::Result<Slot>> {
        let index = self.newest?;
        let chunk = self.chunks[index].as_mut()?;
        if chunk.is_cut_up(self.layout) {
            return None;
        }
        let base = chunk.cut(self.guards, self.layout);
        Some(base.map(|base| Slot { base, chunk: index }))
    }

    /// Gives a chunk its index.
    fn keep(&mut self, chunk: Chunk) -> usize {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            self.chunks.len() - 1
        });
        self.chunks[index] = Some(chunk);
        index
    }

    /// All slots of a chunk that have been cut.
    fn slots_of(&self, index: usize) -> Vec<Slot> {
        let bases = self.chunks[index].iter().flat_map(|chunk| chunk.bases(self.layout));
        bases.map(|base| Slot { base, chunk: index }).collect()
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
}

fn all_in_use() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "no more stacks: as many as allowed are in use")
}
