//! The buffers that the kernel receives into.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use rustix::mm::{self, MapFlags, ProtFlags};

/// The only group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

/// Where the buffers begin is a multiple of this, so that one of a page's size is in one page.
const PAGE: usize = 4096;

/// Received bytes, in the memory of the ring.
///
/// Dropped, the memory goes back to the kernel, which receives the next bytes into it. While many
/// are kept, receives fail with `ENOBUFS`. It may outlive its ring.
pub struct Buffer {
    all: Rc<Buffers>,
    id: u16,
    length: u32,
}

/// One mapping: the entries by which buffers are given to the kernel, and then the buffers.
pub(super) struct Buffers {
    mapping: NonNull<u8>,
    mapped: usize,
    /// Where the buffers begin.
    offset: usize,
    count: u16,
    size: u32,
    /// How many buffers have ever been given to the kernel. The tail of the entries is a copy.
    given: Cell<u16>,
}

/// As the kernel has it: `struct io_uring_buf`.
#[repr(C)]
struct Entry {
    address: Cell<u64>,
    length: Cell<u32>,
    id: Cell<u16>,
    /// Of the first entry only, the tail; reserved in the others.
    tail: AtomicU16,
}

impl Buffers {
    /// Maps them, and gives all to the kernel.
    pub(super) fn register(kernel: &Submitter<'_>, count: u16, size: u32) -> io::Result<Rc<Self>> {
        if !count.is_power_of_two() || count > 1 << 15 || size == 0 || size > i32::MAX as u32 {
            let why = "the buffers' count is no power of two up to 32768, or they have no size";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let offset = (usize::from(count) * size_of::<Entry>()).next_multiple_of(PAGE);
        let mapped = offset + usize::from(count) * size as usize;
        // SAFETY: a new mapping, at an address of the kernel's choice, touches no memory that is.
        let mapping = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let mapping = NonNull::new(mapping.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let given = Cell::new(0);
        let all = Self { mapping, mapped, offset, count, size, given };
        let address = all.mapping.as_ptr() as u64;
        // SAFETY: the entries are at the beginning of the mapping, which is aligned to a page, and
        // it is unmapped after they are unregistered (`Ring::drop`), or never.
        unsafe { kernel.register_buf_ring_with_flags(address, count, GROUP, 0) }?;
        (0..count).for_each(|id| all.give(id));
        Ok(Rc::new(all))
    }

    /// The buffer that a completion names.
    #[inline]
    pub(super) fn take(self: &Rc<Self>, id: u16, length: u32) -> Buffer {
        assert!(id < self.count && length <= self.size, "the kernel names a buffer of the group");
        Buffer { all: Rc::clone(self), id, length }
    }

    /// Gives a buffer to the kernel. To be called once for each that is not the kernel's.
    #[inline]
    fn give(&self, id: u16) {
        let entries = self.entries();
        let given = self.given.get();
        let entry = &entries[usize::from(given & (self.count - 1))];
        entry.address.set(self.address(id) as u64);
        entry.length.set(self.size);
        entry.id.set(id);
        let given = given.wrapping_add(1);
        self.given.set(given);
        // The kernel sees the entry before it sees that there is one.
        entries[0].tail.store(given, Ordering::Release);
    }

    #[inline]
    fn entries(&self) -> &[Entry] {
        // SAFETY: the mapping begins with that many entries and is zeroed; the kernel reads them,
        // up to the tail, and writes none.
        unsafe { slice::from_raw_parts(self.mapping.as_ptr().cast(), self.count.into()) }
    }

    /// Where a buffer begins.
    #[inline]
    fn address(&self, id: u16) -> *mut u8 {
        let offset = self.offset + usize::from(id) * self.size as usize;
        self.mapping.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: no `Buffer` is left, for each shares this; nor does the kernel have any, for the
        // ring lets go of this only when it has unregistered them and nothing is in flight.
        let unmapped = unsafe { mm::munmap(self.mapping.as_ptr().cast(), self.mapped) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("count", &self.count)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel has named this buffer, and writes to it no more until it is given
        // back, which takes this `Buffer`. It is mapped for as long, was zeroed, and `take` has
        // seen that the length is within it.
        unsafe { slice::from_raw_parts(self.all.address(self.id), self.length as usize) }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.all.give(self.id);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("id", &self.id).field("length", &self.length).finish()
    }
}
