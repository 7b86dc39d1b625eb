use std::io;
use std::marker::PhantomData;
use std::{mem, ptr};

use crate::stack::Guards;
use crate::stack::mapping::{self, Mapping};

/// The alternate signal stack of a thread, as long as it lives.
///
/// The standard library gives one to its threads, which is used then; but it does not when another
/// SIGSEGV handler was there when the program began, or when the program's `main` is not Rust's.
#[derive(Debug)]
#[must_use = "the thread has no alternate signal stack once it is dropped"]
pub struct Alternate {
    made: Option<Mapping>,
    not_send: PhantomData<*const ()>,
}

/// Bytes of one that is made here: enough for the registers of any processor and a handler that
/// was there before.
const SIZE: usize = 64 * 1024;

impl Alternate {
    pub(super) fn of_this_thread() -> io::Result<Self> {
        let mut made = None;
        if current()?.ss_flags & libc::SS_DISABLE != 0 {
            let page = mapping::page_size();
            let mapping = Mapping::new(page + SIZE)?;
            // SAFETY: the mapping is new, so nothing uses it.
            unsafe { mapping.guard(0, Guards::Protected) }?;
            let low = mapping.low().as_ptr().wrapping_add(page);
            set(&libc::stack_t { ss_sp: low.cast(), ss_flags: 0, ss_size: SIZE })?;
            made = Some(mapping);
        }
        Ok(Self { made, not_send: PhantomData })
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        let Some(mapping) = self.made.take() else { return };
        let low = mapping.low().as_ptr().wrapping_add(mapping::page_size());
        // Someone else may have set another since.
        let is_current = current().is_ok_and(|stack| stack.ss_sp.cast() == low);
        let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        if is_current && set(&none).is_err() {
            // It is in use just now. The kernel must not be left with memory that is gone.
            mem::forget(mapping);
        }
    }
}

fn current() -> io::Result<libc::stack_t> {
    let mut stack =
        libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: it writes to the structure that is given, and changes nothing.
    match unsafe { libc::sigaltstack(ptr::null(), &raw mut stack) } {
        0 => Ok(stack),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set(stack: &libc::stack_t) -> io::Result<()> {
    // SAFETY: the memory is a mapping of its own that nothing else uses; it is unmapped only when
    // it is not the thread's alternate stack any more.
    match unsafe { libc::sigaltstack(stack, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
