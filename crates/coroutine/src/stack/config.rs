use std::io;

use super::mapping::{self, Mapping};

/// How the stacks of a worker are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes that a coroutine can use of its stack, the guard not among them; rounded up to whole
    /// pages. 256 KiB unless set.
    pub stack_size: usize,
    /// How many stacks may be in use at a time. Not bounded unless set.
    pub max_stacks: usize,
    /// How many free stacks keep their pages when the others are trimmed. 256 unless set.
    pub keep_warm: usize,
    /// The kind of guard; `None`, which is the default, takes the best that the kernel has.
    pub guards: Option<Guards>,
}

impl Default for Config {
    fn default() -> Self {
        Self { stack_size: 256 * 1024, max_stacks: usize::MAX, keep_warm: 256, guards: None }
    }
}

/// What makes the guard page of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guards {
    /// `madvise(MADV_GUARD_INSTALL)`, which takes no mapping.
    Installed,
    /// `mprotect(PROT_NONE)`, which takes two mappings for each stack.
    Protected,
}

impl Guards {
    /// Those asked for, or else the best that there are.
    pub(super) fn choose(wanted: Option<Self>) -> io::Result<Self> {
        if wanted == Some(Self::Protected) {
            return Ok(Self::Protected);
        }
        // An emulator may accept an advice that it does not know, so the guard is tried too.
        let trial = Mapping::new(mapping::page_size())?;
        // SAFETY: the mapping has just been made, so nothing uses it.
        let installed = unsafe { trial.guard(0, Self::Installed) };
        match (installed, wanted) {
            (Ok(()), _) if mapping::is_guarded(trial.low().as_ptr()) => Ok(Self::Installed),
            (Err(error), Some(_)) => Err(error),
            (Ok(()), Some(_)) => Err(io::ErrorKind::Unsupported.into()),
            (_, None) => Ok(Self::Protected),
        }
    }
}

/// The sizes of a slot, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) page: usize,
    /// Of the stack alone.
    pub(super) size: usize,
}

impl Layout {
    pub(super) fn new(stack_size: usize) -> io::Result<Self> {
        let page = mapping::page_size();
        let size = stack_size.max(corosensei::stack::MIN_STACK_SIZE).checked_next_multiple_of(page);
        // So that no sum or product of sizes below can overflow.
        match size.filter(|size| *size <= isize::MAX as usize >> 16) {
            Some(size) => Ok(Self { page, size }),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the stack size is too large")),
        }
    }

    /// With its guard.
    pub(super) fn slot(self) -> usize {
        self.page + self.size
    }

    /// How many slots a chunk has.
    ///
    /// Few chunks, since each takes a mapping; but a chunk can only be unmapped when it has no
    /// stack in use.
    pub(super) fn slots_of_chunk(self, max_stacks: usize) -> usize {
        const CHUNK: usize = 16 << 20;
        (CHUNK / self.slot()).clamp(64, 256).min(max_stacks.max(1))
    }
}
