//! The stacks that coroutines run on.
//!
//! # How they lie in memory
//!
//! Address space is mapped in *chunks*. A chunk is cut into *slots* of one size, and each slot is
//! a stack with a guard page at its low end, because stacks grow downwards:
//!
//! ```text
//!  a chunk: one mmap(2) of 64 to 256 slots, at the least 16 MiB
//!  low                                                                        high
//!  +-------+--------------+-------+--------------+--   --+-------+--------------+
//!  | guard |   stack 0    | guard |   stack 1    |  ...  | guard |   stack 63   |
//!  +-------+--------------+-------+--------------+--   --+-------+--------------+
//!
//!  a slot:
//!  limit     low                              mark                      base
//!  +---------+------------------------+--------+--------------------------+
//!  |  guard  |  not touched, or once  | margin |  frames of a coroutine   |
//!  |  1 page |                        |        |  that is suspended       |
//!  +---------+------------------------+--------+--------------------------+
//!            | <------------------ Config::stack_size -----------------> |
//!                                     | <------ what hibernates -------> |
//! ```
//!
//! Only pages that have been touched take memory, so what a stack costs does not follow from its
//! size. Slots are cut from the newest chunk one at a time; the guard is made then, once, and
//! stays for the life of the chunk. Slots that were used and are free again lie on one list, and
//! the one given back last is taken first, because its pages are still there and perhaps in the
//! cache: taking and giving such a *warm* stack makes no system call.
//!
//! # Guards
//!
//! `madvise(MADV_GUARD_INSTALL)`, since Linux 6.13, marks a page as a guard within its mapping:
//! a million stacks of 256 KiB then take sixteen thousand mappings at the most, and some
//! dozens where the kernel merges neighbours. Before it, `mprotect(PROT_NONE)`
//! has to split the mapping, so that each stack takes two, and `vm.max_map_count`, 65530 unless
//! it has been raised, stops them near 30,000. What is left of it is kept for the rest of the
//! process, since an allocator that gets no mapping ends the process. [`Stacks::guards`] tells
//! which kind is in use; [`overflow`] says what a coroutine was when it hits its guard.
//!
//! One page is enough for Rust, whose functions with large frames touch every page of them in
//! turn. A C function may skip a page, unless it was compiled with `-fstack-clash-protection`;
//! the guard of a thread is no larger.
//!
//! # Who owns what
//!
//! ```text
//!  Stacks ---+                     +---> chunks (unmapped when dropped)
//!            +---> Rc of the pool -+
//!  Stack  ---+                     +---> list of free slots
//!    ^
//!    +---- corosensei::Coroutine
//! ```
//!
//! A [`Stack`] is the only owner of its slot, and gives it back when it is dropped. It keeps the
//! pool alive, so [`Stacks`] may be dropped first. A stack that is forgotten is never reused.
//! All of them stay on the thread that made them.
//!
//! # Giving memory back
//!
//! [`Stacks::trim`] gives back what free stacks hold, beyond a number of warm ones: the pages of
//! a slot, or the whole chunk when none of its slots is in use. [`Stacks::hibernate`] does it for
//! a stack in use: it copies the frames of a suspended coroutine to the heap, written down in fewer
//! bytes, and gives all pages back; [`Hibernated::wake`] writes them to where they were.

mod bounds;
mod chunk;
mod config;
mod hibernation;
mod mapping;
mod mappings;
pub mod overflow;
mod pack;
mod pool;
mod stacks;
mod suspend;
#[cfg(test)]
mod tests;
mod trim;

pub use self::bounds::Bounds;
pub use self::config::{Config, Guards};
pub use self::hibernation::Hibernated;
pub use self::stacks::{Stack, Stacks};
pub use self::suspend::{margin, suspend};
