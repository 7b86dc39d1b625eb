//! Which process a ring belongs to.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{self, Advice, MapFlags, ProtFlags};

/// The kernel rounds it up to a page.
const SIZE: usize = 1;

/// Knows, without a system call, whether this is still the process that has made it.
///
/// It is a page that `fork` gives to the child wiped.
#[derive(Debug)]
pub(super) struct Origin(NonNull<AtomicBool>);

impl Origin {
    /// Of this process.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a new mapping, at an address of the kernel's choice, touches no memory that is.
        let page = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let origin = Self(NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?);
        // SAFETY: it is this mapping alone that is wiped, and zeroes are a valid value of it.
        unsafe { mm::madvise(page, SIZE, Advice::LinuxWipeOnFork) }?;
        origin.page().store(true, Ordering::Relaxed);
        Ok(origin)
    }

    /// Whether this is the process, and not a child that it has forked.
    #[inline]
    pub(super) fn is_here(&self) -> bool {
        self.page().load(Ordering::Relaxed)
    }

    #[inline]
    fn page(&self) -> &AtomicBool {
        // SAFETY: it points to a page of zeroes and of what was stored, mapped until this is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // SAFETY: the mapping is its own, and no reference to it outlives it.
        let unmapped = unsafe { mm::munmap(self.0.as_ptr().cast(), SIZE) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
