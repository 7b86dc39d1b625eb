//! How many mappings the stacks of the process may take.
//!
//! The kernel allows a process `vm.max_map_count` of them. When the stacks took them all, the
//! allocator would get none, and a Rust program that gets no memory is ended. So the stacks of
//! all workers together leave a part.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Some of the mappings of the process, counted until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Mappings(usize);

impl Mappings {
    /// Counts `more`.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` when there are not so many.
    pub(super) fn add(&mut self, more: usize) -> io::Result<()> {
        let now = TAKEN.fetch_add(more, Ordering::Relaxed) + more;
        self.0 += more;
        if now <= most() {
            return Ok(());
        }
        self.remove(more);
        Err(none_left())
    }

    /// Counts `fewer`.
    pub(super) fn remove(&mut self, fewer: usize) {
        self.0 -= fewer;
        TAKEN.fetch_sub(fewer, Ordering::Relaxed);
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// What the stacks may take; a sixteenth is for the rest of the process.
pub(super) fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();

    *MOST.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        let allowed: usize = text.trim_end().parse().unwrap_or(65530);
        allowed - allowed / 16
    })
}

/// That the kernel, or the count, has no mapping for another stack.
pub(super) fn none_left() -> io::Error {
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        "no more stacks: vm.max_map_count allows no more mappings",
    )
}
