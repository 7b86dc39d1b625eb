//! Buffers that connections borrow for as long as they hold bytes, so that one that waits for its
//! client holds none. Each thread has its own.

use std::cell::RefCell;

/// How many are kept.
const KEPT: usize = 64;

/// How large a buffer may be to be kept, in bytes.
const LARGEST: usize = 16 * 1024;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with whatever is in it, or none at all if none is free.
pub(super) fn take() -> Vec<u8> {
    FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Gives a buffer back.
pub(super) fn give(buffer: Vec<u8>) {
    // When the thread ends there may be nobody to give it to.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < KEPT && (1..=LARGEST).contains(&buffer.capacity()) {
            free.push(buffer);
        }
    });
}
