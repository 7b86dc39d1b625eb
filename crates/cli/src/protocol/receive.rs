use std::cell::RefCell;
use std::io;

use socketserver::transport::Connection;

/// How much is received at a time, at the most.
const LEN: usize = 16 * 1024;

/// How many buffers a thread keeps. There are more while clients do not take what they are sent.
const KEPT: usize = 16;

thread_local! {
    /// Buffers that are not in use. Never borrowed while something waits, for the coroutines of
    /// one thread share them.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Receives what there is and gives it to `use_it`; returns whether there may be more. A coroutine
/// has no buffer while it waits for input.
pub(super) fn receive(
    connection: &dyn Connection,
    use_it: impl FnOnce(&[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    connection.wait_input(LEN)?;
    let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; LEN]);
    let result = match connection.recv_now(&mut buffer) {
        Ok(Some(0)) => Ok(false),
        Ok(Some(len)) => use_it(&buffer[..len]).map(|()| true),
        Ok(None) => Ok(true),
        Err(error) => Err(error),
    };
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    });
    result
}
