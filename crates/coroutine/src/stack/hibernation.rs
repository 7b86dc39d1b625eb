use std::io;
use std::mem::MaybeUninit;

use super::bounds::Bounds;
use super::mapping;
use super::stacks::Stacks;
use super::suspend;

/// The frames of a coroutine whose stack has given its memory back.
#[derive(Debug)]
#[must_use = "the coroutine is lost without it"]
pub struct Hibernated {
    /// Where the frames belong.
    at: *mut u8,
    /// Not plain bytes, since frames have gaps that were never written, and pointers.
    frames: Box<[MaybeUninit<u8>]>,
}

impl Stacks {
    /// Copies the frames of a suspended coroutine to the heap, and gives all memory of its stack
    /// back. `mark` is what [`suspend`](super::suspend()) has noted for that coroutine.
    ///
    /// It makes two system calls, and costs a few microseconds; so does the first touch
    /// afterwards.
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
        let first = mark.saturating_sub(suspend::margin()?).max(low);
        let at = bounds.low().wrapping_add(first - low);
        let mut frames = Box::new_uninit_slice(base - first);
        let to = frames.as_mut_ptr().cast::<u8>();
        // SAFETY: the frames have been allocated with the size of what lies from there to the
        // base; nothing writes to the stack meanwhile.
        unsafe { copy(at, to, frames.len()) };
        self.pool.borrow_mut().note_used(bounds.used());
        // SAFETY: the stack is mapped since its coroutine has not been dropped, and all that it
        // holds of use has been copied.
        unsafe { mapping::discard(bounds.low(), bounds.size()) }?;
        Ok(Hibernated { at, frames })
    }
}

impl Hibernated {
    /// Copies the frames back to where they were; the coroutine may be resumed again.
    pub fn wake(self) {
        let from = self.frames.as_ptr().cast::<u8>();
        // SAFETY: whoever made it hibernate has promised that the stack is still there, and that
        // nothing uses it.
        unsafe { copy(from, self.at, self.frames.len()) };
    }

    /// How many bytes the frames take on the heap.
    pub fn size(&self) -> usize {
        self.frames.len()
    }
}

/// Copies bytes of frames, whatever the gaps between their locals hold.
///
/// # Safety
///
/// As [`ptr::copy_nonoverlapping`](std::ptr::copy_nonoverlapping).
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // The address sanitizer takes a copy of whole frames for an overflow, and does not see this.
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
    // SAFETY: as the caller says.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, len);
    }
}
