use std::ptr::NonNull;

use super::config::Layout;
use super::mapping;

/// Where a stack lies: addresses, which own nothing.
///
/// A coroutine owns its stack and does not lend it; what has to be known of it meanwhile is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    base: NonNull<u8>,
    size: usize,
    guard: usize,
}

impl Bounds {
    /// Of the slot that ends at `base`.
    pub(super) fn of_slot(base: NonNull<u8>, layout: Layout) -> Self {
        Self { base, size: layout.size, guard: layout.page }
    }

    /// The lowest address of the guard.
    pub fn limit(self) -> usize {
        self.low().addr() - self.guard
    }

    /// The lowest address of the stack, where the guard ends.
    pub fn low(self) -> *mut u8 {
        self.base.as_ptr().wrapping_sub(self.size)
    }

    /// The address after the highest byte, where the stack begins.
    pub fn base(self) -> NonNull<u8> {
        self.base
    }

    /// Bytes of the stack, without the guard.
    pub fn size(self) -> usize {
        self.size
    }

    /// The most bytes that have been used of the stack since its pages were last given back, in
    /// whole pages; 0 when the stack is no more.
    ///
    /// It asks the kernel which pages are in memory, and so misses those that were swapped out.
    pub fn used(self) -> usize {
        let resident = mapping::first_resident(self.low(), self.size);
        resident.map_or(0, |unused| self.size - unused)
    }
}
