use std::io;
use std::ptr::NonNull;

use super::Guards;
use super::config::Layout;
use super::mapping::{self, Mapping};
use super::mappings::{self, Mappings};

/// Address space for some stacks. Its slots are cut from it one after the other, in the order of
/// their addresses.
#[derive(Debug)]
pub(super) struct Chunk {
    mapping: Mapping,
    mappings: Mappings,
    /// How many slots have been cut.
    cut: usize,
}

impl Chunk {
    pub(super) fn new(slots: usize, layout: Layout) -> io::Result<Self> {
        let mut mappings = Mappings::default();
        mappings.add(1)?;
        let mapping = Mapping::new(slots * layout.slot()).map_err(|error| {
            let text = format!("no more stacks: no address space for them: {error}");
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self { mapping, mappings, cut: 0 })
    }

    /// Whether all its slots have been cut.
    pub(super) fn is_cut_up(&self, layout: Layout) -> bool {
        (self.cut + 1) * layout.slot() > self.mapping.len()
    }

    /// Cuts the next slot, with its guard, and returns its base.
    pub(super) fn cut(&mut self, guards: Guards, layout: Layout) -> io::Result<NonNull<u8>> {
        debug_assert!(!self.is_cut_up(layout), "there is a slot to cut");
        let taken = if guards == Guards::Protected { 2 } else { 0 };
        self.mappings.add(taken)?;
        let offset = self.cut * layout.slot();
        // SAFETY: the page is of a slot that has not been cut, which nothing uses.
        let guarded = unsafe { self.mapping.guard(offset, guards) };
        if let Err(error) = guarded {
            self.mappings.remove(taken);
            let is_short = error.raw_os_error() == Some(libc::ENOMEM);
            return Err(if is_short { mappings::none_left() } else { error });
        }
        self.cut += 1;
        Ok(self.base(self.cut - 1, layout))
    }

    /// How many slots have been cut.
    pub(super) fn slots(&self) -> usize {
        self.cut
    }

    /// The bases of the slots that have been cut.
    pub(super) fn bases(&self, layout: Layout) -> impl Iterator<Item = NonNull<u8>> {
        (0..self.cut).map(move |slot| self.base(slot, layout))
    }

    /// The most bytes that have been used of any of its stacks since they were discarded.
    pub(super) fn used(&self, layout: Layout) -> usize {
        let mut pages = vec![0; self.cut * layout.slot() / layout.page];
        if !mapping::residency(self.mapping.low().as_ptr(), &mut pages) {
            return 0;
        }
        let unused = pages.chunks(layout.slot() / layout.page).map(|slot| {
            // The first is the guard.
            slot[1..].iter().take_while(|page| !mapping::is_resident(**page)).count()
        });
        unused.min().map_or(0, |unused| layout.size - unused * layout.page)
    }

    fn base(&self, slot: usize, layout: Layout) -> NonNull<u8> {
        // SAFETY: the slot is within the mapping, so its end is at most the mapping's.
        unsafe { self.mapping.low().add((slot + 1) * layout.slot()) }
    }
}
