use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Shared, buffers};
use crate::transport::Connection;
use crate::wait;

/// When what is written to `wfile` goes out; Python's `wbufsize`, and one mode more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteMode {
    /// What suits the mix-in, and the default: [`UntilWait`](Self::UntilWait) of 8 KiB in a
    /// coroutine, and [`Unbuffered`](Self::Unbuffered) on a thread and in a process. See
    /// [the manual](crate::manual::defaults).
    #[default]
    Auto,
    /// Each write goes out at once, whole: Python's `wbufsize = 0`. One `write!` or `writeln!` is
    /// one write.
    Unbuffered,
    /// It goes out on `flush`, when there are this many bytes, and when the request ends.
    Buffered(usize),
    /// As `Buffered`, and also when the handler is about to wait: when `rfile` is about to ask the
    /// client for more, and before [`sleep`](crate::sleep) and whatever else of this crate waits. A
    /// burst of requests that came together is answered together, and no reply is held back from a
    /// client that waits for it.
    ///
    /// What blocks the thread without this crate's knowledge (a call to a database, say) sends
    /// nothing first: there the handler flushes.
    UntilWait(usize),
}

/// Python's number: 0 for unbuffered, else the size of the buffer.
impl From<usize> for WriteMode {
    fn from(wbufsize: usize) -> Self {
        match wbufsize {
            0 => Self::Unbuffered,
            size => Self::Buffered(size),
        }
    }
}

/// The write side of a connection.
///
/// `write` writes all that it is given, in every mode, so it returns its length or an error.
/// What is held back goes out at the latest when the request ends.
pub struct Wfile {
    connection: Arc<dyn Connection>,
    mode: WriteMode,
    /// Has what is held back, which `rfile` sends before it waits.
    shared: Arc<Shared>,
}

/// What has been written and not yet sent.
#[derive(Default)]
pub(super) struct Held(Mutex<Vec<u8>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all of it. After an error, what was not sent is still held.
    pub(super) fn send(&self, connection: &dyn Connection) -> io::Result<()> {
        send_held(&mut self.lock(), connection)
    }

    /// As [`send`](Self::send), when the handler is about to wait for something else; nothing, if
    /// what it waits for is room to send this. An error is for the next write to find.
    pub(super) fn send_before_wait(&self, connection: &dyn Connection) {
        if let Ok(mut held) = self.0.try_lock() {
            let _ = send_held(&mut held, connection);
        }
    }
}

fn send_held(held: &mut Vec<u8>, connection: &dyn Connection) -> io::Result<()> {
    if held.is_empty() {
        return Ok(());
    }
    let result = connection.send_behind(held);
    if held.is_empty() {
        // Whoever waits for its next request holds no memory for the replies to the last.
        buffers::give(std::mem::take(held));
    }
    result
}

/// Text is added at the end of it.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Gives what holds back memory to do so.
fn borrow(held: &mut Vec<u8>) {
    if held.capacity() == 0 {
        *held = buffers::take();
        held.clear();
    }
}

/// How much a coroutine gathers unless it is told otherwise, in bytes.
const GATHERED: usize = 8 * 1024;

impl Wfile {
    pub(super) fn new(
        connection: Arc<dyn Connection>,
        mode: WriteMode,
        shared: Arc<Shared>,
    ) -> Self {
        let mode = match mode {
            WriteMode::Auto if wait::current().is_some() => WriteMode::UntilWait(GATHERED),
            WriteMode::Auto => WriteMode::Unbuffered,
            mode => mode,
        };
        Self { connection, mode, shared }
    }

    /// Whether what is held back goes out before a wait.
    pub(super) fn is_until_wait(&self) -> bool {
        matches!(self.mode, WriteMode::UntilWait(_))
    }
}

impl Write for Wfile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all(buf)?;
        Ok(buf.len())
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        match self.mode {
            WriteMode::Auto | WriteMode::Unbuffered => self.connection.send_all(buf),
            WriteMode::Buffered(size) | WriteMode::UntilWait(size) => {
                let held = &mut *self.shared.held.lock();
                if buf.len() > size.saturating_sub(held.len()) {
                    send_held(held, &*self.connection)?;
                }
                if buf.len() >= size {
                    return self.connection.send_all(buf);
                }
                borrow(held);
                held.extend_from_slice(buf);
                if held.len() >= size { send_held(held, &*self.connection) } else { Ok(()) }
            }
        }
    }

    /// Formats all of it before it writes, so that one `writeln!` is one packet and not three.
    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
        if let Some(text) = args.as_str() {
            return self.write_all(text.as_bytes());
        }
        match self.mode {
            WriteMode::Buffered(size) | WriteMode::UntilWait(size) => {
                let held = &mut *self.shared.held.lock();
                borrow(held);
                let before = held.len();
                if fmt::Write::write_fmt(&mut Text(held), args).is_err() {
                    held.truncate(before);
                    return Err(io::Error::other("formatter error"));
                }
                // What would not have had room is sent after what was there before, not with it.
                if before > 0 && held.len() > size {
                    let late = held.split_off(before);
                    let sent = send_held(held, &*self.connection);
                    held.extend_from_slice(&late);
                    sent?;
                }
                if held.len() >= size { send_held(held, &*self.connection) } else { Ok(()) }
            }
            WriteMode::Auto | WriteMode::Unbuffered => {
                self.connection.send_all(fmt::format(args).as_bytes())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.mode != WriteMode::Unbuffered {
            self.shared.held.send(&*self.connection)?;
        }
        self.connection.flush()
    }
}

/// The connection's own descriptor. What is written to it directly overtakes what is held back.
impl AsFd for Wfile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl fmt::Debug for Wfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wfile")
            .field("mode", &self.mode)
            .field("held", &self.shared.held.lock().len())
            .finish_non_exhaustive()
    }
}
