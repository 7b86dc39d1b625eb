//! How far a suspended coroutine reaches down its stack.
//!
//! corosensei keeps the stack pointer of a suspended coroutine to itself, so there is one function
//! that suspends, [`suspend`], which notes its own stack pointer first. What lies below that is
//! the frame of `Yielder::suspend`, where it is not part of the same frame, and the registers that
//! are pushed at last: the same number of bytes each time, because it is the same machine code
//! each time. How many they are depends on the compiler and its options, so [`margin`] finds out
//! by doing it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::{Coroutine, Yielder};

use super::hibernation::copy;
use super::{Config, Stacks};

/// Suspends a coroutine, after it has put an address of its stack into `mark`, for
/// [`Stacks::hibernate`].
// Inlined, it would be part of a different frame each time.
#[inline(never)]
pub fn suspend(yielder: &Yielder<(), ()>, mark: &Cell<usize>) {
    mark.set(stack_pointer());
    yielder.suspend(());
    // Keeps the call above from being turned into a jump, which would take this frame away.
    mark.set(0);
}

/// The stack pointer of the function that this becomes a part of.
///
/// The address of a local will not do: the address sanitizer may put locals elsewhere.
#[inline(always)]
fn stack_pointer() -> usize {
    let address: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it copies a register.
    unsafe {
        std::arch::asm!("mov {}, rsp", out(reg) address, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: it copies a register.
    unsafe {
        std::arch::asm!("mov {}, sp", out(reg) address, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let local = 0_u8;
        address = std::hint::black_box(&raw const local).addr();
    }
    address
}

/// How many bytes below its mark a coroutine that [`suspend`] has suspended may have in use, and
/// as many again, and 64.
///
/// It is measured once for a process, on a coroutine that does nothing but suspend. The lowest byte
/// that it has written is at, or below, its last stack pointer, unless some of the registers that
/// are pushed last have been zero, which the doubling and the 64 make good.
///
/// # Errors
///
/// As [`Stacks::new`] and [`Stacks::take`] in the call that measures, and if nothing is found.
pub fn margin() -> io::Result<usize> {
    static MARGIN: AtomicUsize = AtomicUsize::new(0);

    // Two threads may measure at a time; they find the same.
    match MARGIN.load(Ordering::Relaxed) {
        0 => {
            let margin = (2 * measure()? + 64).next_multiple_of(16);
            MARGIN.store(margin, Ordering::Relaxed);
            Ok(margin)
        }
        margin => Ok(margin),
    }
}

fn measure() -> io::Result<usize> {
    // Never used before, so all zeros.
    let config = Config { stack_size: 64 * 1024, max_stacks: 1, ..Config::default() };
    let stack = Stacks::new(config)?.take()?;
    let bounds = stack.bounds();
    let mark = Rc::new(Cell::new(0));
    let body = {
        let mark = Rc::clone(&mark);
        move |yielder: &Yielder<(), ()>, ()| suspend(yielder, &mark)
    };
    let mut coroutine = Coroutine::with_stack(stack, body);
    coroutine.resume(());
    let mark_found = mark.get();
    let mut bytes = vec![0; bounds.size()];
    // SAFETY: the stack is mapped and as large, and the coroutine that uses it is suspended.
    unsafe { copy(bounds.low(), bytes.as_mut_ptr(), bytes.len()) };
    coroutine.resume(());
    let untouched = bytes.iter().take_while(|byte| **byte == 0).count();
    // The lowest byte of the lowest word may itself be a zero.
    let lowest = (bounds.low().addr() + untouched) & !15;
    match mark_found.checked_sub(lowest) {
        Some(distance) if distance > 0 => Ok(distance),
        _ => Err(io::Error::other("cannot tell how far a coroutine reaches down its stack")),
    }
}
