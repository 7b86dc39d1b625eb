//! Memory straight from the kernel.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Guards;

/// Turns a page into a guard, as long as it is mapped: `MADV_DONTNEED` leaves it one.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// Turns guards into pages again, which have never been touched.
const MADV_GUARD_REMOVE: libc::c_int = 103;

/// Anonymous memory of the process, unmapped when this is dropped. It has no pages until they
/// are touched.
///
/// Only addresses come out of it. Whoever uses them keeps it alive for as long.
#[derive(Debug)]
pub(super) struct Mapping {
    low: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes, a multiple of the page size.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: the kernel chooses the place, so nothing that is mapped changes.
        let low = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
        if low == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // A huge page would make 2 MiB of the first touch. A kernel without huge pages refuses
        // the advice, and needs none.
        // SAFETY: this is the mapping made above; the advice does not change what it holds.
        unsafe { libc::madvise(low, len, libc::MADV_NOHUGEPAGE) };
        match NonNull::new(low.cast()) {
            Some(low) => Ok(Self { low, len }),
            None => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }

    /// Its lowest address.
    pub(super) fn low(&self) -> NonNull<u8> {
        self.low
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes the page at `offset` one that cannot be accessed.
    ///
    /// # Safety
    ///
    /// Nothing uses that page.
    pub(super) unsafe fn guard(&self, offset: usize, guards: Guards) -> io::Result<()> {
        let page = page_size();
        assert!(offset + page <= self.len, "the guard is not within the mapping");
        let at = self.low.as_ptr().wrapping_add(offset).cast();
        let result = match guards {
            // SAFETY: the page is within the mapping, and the caller says that nothing uses it.
            Guards::Installed => unsafe { libc::madvise(at, page, MADV_GUARD_INSTALL) },
            // SAFETY: as above.
            Guards::Protected => unsafe { libc::mprotect(at, page, libc::PROT_NONE) },
        };
        done(result)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // It can fail when it has to split a mapping that the kernel has merged with its
        // neighbours. The address space is then lost, and nothing else.
        // SAFETY: the mapping is this one's own, and whoever uses it keeps it alive.
        unsafe { libc::munmap(self.low.as_ptr().cast(), self.len) };
    }
}

/// Gives the pages back that `low..low + len` has; they read as zeros when touched again. Guards
/// stay.
///
/// # Safety
///
/// The bytes belong to a [`Mapping`] that is alive, and nothing relies on what they hold.
pub(super) unsafe fn discard(low: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: as the caller says.
    done(unsafe { libc::madvise(low.cast(), len, libc::MADV_DONTNEED) })
}

/// Gives the pages of `low..low + len` back and makes them guards, until they are unsealed.
///
/// # Safety
///
/// As [`discard`].
pub(super) unsafe fn seal(low: *mut u8, len: usize, guards: Guards) -> io::Result<()> {
    match guards {
        // It gives the pages back by itself.
        // SAFETY: as the caller says.
        Guards::Installed => done(unsafe { libc::madvise(low.cast(), len, MADV_GUARD_INSTALL) }),
        Guards::Protected => {
            // SAFETY: as the caller says.
            done(unsafe { libc::mprotect(low.cast(), len, libc::PROT_NONE) })?;
            // Memory that is locked cannot be given back, and is as it was when it is unsealed.
            // SAFETY: as the caller says.
            let _ = unsafe { discard(low, len) };
            Ok(())
        }
    }
}

/// Makes pages of the guards again that [`seal`] has made of them.
///
/// # Safety
///
/// It is what was sealed, and the [`Mapping`] is still alive.
pub(super) unsafe fn unseal(low: *mut u8, len: usize, guards: Guards) -> io::Result<()> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    match guards {
        // SAFETY: as the caller says.
        Guards::Installed => done(unsafe { libc::madvise(low.cast(), len, MADV_GUARD_REMOVE) }),
        // SAFETY: as the caller says.
        Guards::Protected => done(unsafe { libc::mprotect(low.cast(), len, access) }),
    }
}

/// The lowest address from `low` to `low + len` whose page is in memory, as its distance from
/// `low`; `None` when there is none, or when they are not mapped.
pub(super) fn first_resident(low: *mut u8, len: usize) -> Option<usize> {
    const PAGES: usize = 256;
    let page = page_size();
    let mut begin = 0;
    while begin < len {
        let mut pages = [0; PAGES];
        let part = &mut pages[..((len - begin) / page).min(PAGES)];
        if !residency(low.wrapping_add(begin), part) {
            return None;
        }
        if let Some(found) = part.iter().position(|page| is_resident(*page)) {
            return Some(begin + found * page);
        }
        begin += part.len() * page;
    }
    None
}

/// Finds out which pages are in memory, from `low` upwards. Returns whether they are mapped.
pub(super) fn residency(low: *mut u8, pages: &mut [u8]) -> bool {
    let len = pages.len() * page_size();
    // SAFETY: it writes one byte for each page; an address that is not mapped makes it fail.
    done(unsafe { libc::mincore(low.cast(), len, pages.as_mut_ptr()) }).is_ok()
}

/// What [`residency`] has found of one page.
pub(super) fn is_resident(page: u8) -> bool {
    // The other bits are reserved.
    page & 1 != 0
}

/// Whether the process cannot read the byte at `address`.
pub(super) fn is_guarded(address: *const u8) -> bool {
    // The kernel reads the path there, and fails when it cannot. Nothing is opened.
    // SAFETY: the kernel is the one to read, and checks the address.
    let result = unsafe { libc::access(address.cast(), libc::F_OK) };
    done(result).is_err_and(|error| error.raw_os_error() == Some(libc::EFAULT))
}

/// Bytes of a page.
pub(super) fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);

    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: it only reads a setting.
            let asked = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(asked).unwrap_or(4096);
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
