use std::io;

use super::Guards;
use super::bounds::Bounds;
use super::mapping;
use super::pack::{pack, unpack};
use super::stacks::Stacks;
use super::suspend;

/// The frames of a coroutine whose stack has given its memory back.
#[derive(Debug)]
#[must_use = "the coroutine is lost without it"]
pub struct Hibernated {
    /// The end of the frames, and of the stack.
    base: *mut u8,
    packed: Box<[u8]>,
    /// How many words the frames have.
    words: u32,
    /// So many pages below the end are guards.
    sealed: u32,
    guards: Guards,
}

impl Stacks {
    /// Copies the frames of a suspended coroutine to the heap, and gives all memory of its stack
    /// back. `mark` is what [`suspend`](super::suspend()) has noted for that coroutine.
    ///
    /// Until it wakes, the pages that the frames were on are guards: what points there from
    /// elsewhere, as a thread of [`std::thread::scope`] may, does not read zeros, but ends the
    /// process.
    ///
    /// It makes two or three system calls, and costs a few microseconds; so does waking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when `mark` is not within the stack: the coroutine has not suspended.
    /// As [`margin`](super::margin()). As `madvise(2)`: memory that is locked cannot be given
    /// back. The coroutine is as it was then.
    ///
    /// # Safety
    ///
    /// - `bounds` are of a stack of these, whose coroutine is suspended in
    ///   [`suspend`](super::suspend()), called with the cell that `mark` was read from.
    /// - Until [`Hibernated::wake`] has returned, that coroutine is neither resumed nor dropped,
    ///   and nothing reads or writes its stack: no other thread, no other coroutine, and no
    ///   operation of the kernel. (When the frames are dropped instead, that is for ever: the
    ///   coroutine has to be forgotten.)
    pub unsafe fn hibernate(&self, bounds: Bounds, mark: usize) -> io::Result<Hibernated> {
        let (low, base) = (bounds.low().addr(), bounds.base().addr().get());
        if !(low..base).contains(&mark) {
            let text = "the coroutine to hibernate is not suspended";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // Whole words, for a stack begins and ends with them.
        let first = mark.saturating_sub(suspend::margin()?).max(low) & !15;
        let at = bounds.low().wrapping_add(first - low);
        let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let words = u32::try_from((base - first) / 8).map_err(too_large)?;
        let mut frames = vec![0_u64; words as usize];
        // SAFETY: the frames have been allocated with the size of what lies from there to the
        // base; nothing writes to the stack meanwhile.
        unsafe { copy(at, frames.as_mut_ptr().cast(), base - first) };
        let packed = pack(&frames);
        let (used, guards) = (bounds.used(), self.guards());
        self.shared.pool.borrow_mut().note_used(used);
        let page = mapping::page_size();
        // Made of protection, it has to be all of the stack, for a part would take mappings.
        let len = match guards {
            Guards::Installed => (base - first).next_multiple_of(page),
            Guards::Protected => bounds.size(),
        };
        let sealed = u32::try_from(len / page).map_err(too_large)?;
        let base = bounds.base().as_ptr();
        let hibernated = Hibernated { base, packed, words, sealed, guards };
        // SAFETY: the stack is mapped since its coroutine has not been dropped, and all that it
        // holds of use has been copied.
        if let Err(error) = unsafe { mapping::seal(base.wrapping_sub(len), len, guards) } {
            // Some of it may have been sealed.
            return hibernated
                .wake()
                .map_or_else(|(hibernated, _)| Ok(hibernated), |()| Err(error));
        }
        if used > len {
            // SAFETY: as above. The frames are elsewhere, so that it does no harm if this fails.
            let _ = unsafe { mapping::discard(bounds.low(), bounds.size() - len) };
        }
        Ok(hibernated)
    }
}

impl Hibernated {
    /// Copies the frames back to where they were; the coroutine may be resumed again.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, with guards that are [`Protected`](Guards::Protected), when the process has too
    /// many mappings. The coroutine hibernates on, and it may be tried again.
    pub fn wake(self) -> Result<(), (Self, io::Error)> {
        let len = self.sealed as usize * mapping::page_size();
        let sealed = self.base.wrapping_sub(len);
        // SAFETY: it is what was sealed, and still mapped, for the coroutine has not been dropped.
        if let Err(error) = unsafe { mapping::unseal(sealed, len, self.guards) } {
            return Err((self, error));
        }
        let frames = unpack(&self.packed, self.words as usize);
        let at = self.base.wrapping_sub(self.len());
        // SAFETY: whoever made it hibernate has promised that the stack is still there, and that
        // nothing uses it.
        unsafe { copy(frames.as_ptr().cast(), at, self.len()) };
        Ok(())
    }

    /// How many bytes the frames took on the stack.
    pub fn len(&self) -> usize {
        self.words as usize * 8
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// How many bytes the frames take on the heap.
    pub fn size(&self) -> usize {
        self.packed.len()
    }
}

/// Copies bytes of frames, whatever the gaps between their locals hold.
///
/// # Safety
///
/// As [`ptr::copy_nonoverlapping`](std::ptr::copy_nonoverlapping).
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // The address sanitizer takes a copy of whole frames for an overflow, and does not see this.
    // Nor does the compiler, for which gaps in frames have no value: the copy has what is there.
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it reads and writes what the caller vouches for; the direction flag is clear
    // whenever a function is entered.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for at in 0..len {
        // SAFETY: as the caller says.
        let byte = unsafe { from.add(at).read_volatile() };
        // SAFETY: as the caller says.
        unsafe { to.add(at).write_volatile(byte) };
    }
}
