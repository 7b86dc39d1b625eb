use std::fmt;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use memchr::memchr;

use super::{Shared, buffers};
use crate::error::{disconnected, was_cut};
use crate::transport::Connection;

/// The longest line that [`Rfile::lines`] gives, in bytes.
const LINE_LIMIT: usize = 64 * 1024;

/// How much room a buffer has at first, in bytes.
const FIRST: usize = 2048;

/// How much room [`Rfile::read_exactly`] makes at a time, so that memory grows with what has
/// come, not with what was announced.
const CHUNK: usize = 64 * 1024;

/// The read side of a connection, buffered.
///
/// Beside [`Read`] and [`BufRead`] it has the bounded reads that protocols need, with which
/// memory never grows further than the handler allows: [`lines`](Self::lines),
/// [`read_line_within`](Self::read_line_within), [`read_exactly`](Self::read_exactly),
/// [`read_prefixed`](Self::read_prefixed). The methods of `BufRead` that grow a buffer
/// (`read_line`, `read_until`) grow it for as long as the client sends.
///
/// All reads wait for the client, at most for the handler's
/// [`timeout`](crate::StreamRequestHandler::timeout). When the server has cut the request, they
/// fail with `ConnectionAborted`.
pub struct Rfile {
    connection: Arc<dyn Connection>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` has been received and not yet been read.
    start: usize,
    end: usize,
    size: usize,
    /// How much is received at a time.
    room: usize,
    shared: Arc<Shared>,
    /// Whether what `wfile` holds back is sent before a wait.
    sends_held: bool,
}

impl Rfile {
    pub(super) fn new(
        connection: Arc<dyn Connection>,
        size: usize,
        shared: Arc<Shared>,
        sends_held: bool,
    ) -> Self {
        let room = FIRST.min(size).max(1);
        Self { connection, buffer: Vec::new(), start: 0, end: 0, size, room, shared, sends_held }
    }

    /// Reads lines, without their ends (`\n` or `\r\n`), as text, until the client ends.
    ///
    /// It stands in the place of [`BufRead::lines`], and differs in one thing: a line of more
    /// than 64 KiB is an error of the kind `InvalidData`, and not so much memory.
    ///
    /// Where [`BufRead`] is imported too, take `rfile` out of the request first, by
    /// `let StreamRequest { rfile, .. } = request;`: in `request.rfile.lines()` the compiler then
    /// finds the method of the trait, which would have to own `rfile`, and says so.
    pub fn lines(&mut self) -> Lines<'_> {
        Lines { rfile: self }
    }

    /// Reads one line into `line`, which is cleared first; its end, `\n` or `\r\n`, is left out.
    ///
    /// At most `limit` bytes and the line's end are read. When the line is longer, `line` has its
    /// first `limit` bytes, and the rest is still there to be read.
    ///
    /// # Errors
    ///
    /// As [`Connection::recv`]; what had come by then is in `line`.
    pub fn read_line_within(&mut self, limit: usize, line: &mut Vec<u8>) -> io::Result<LineEnd> {
        line.clear();
        let end = loop {
            let available = match self.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(error),
                Ok(available) => available,
            };
            if available.is_empty() {
                break Ok(LineEnd::Eof);
            }
            // Two bytes more than are allowed, for they may be the line's end.
            let room = limit.saturating_add(2) - line.len();
            let window = &available[..available.len().min(room)];
            let newline = memchr(b'\n', window);
            let taken = newline.map_or(window.len(), |at| at + 1);
            line.extend_from_slice(&window[..newline.unwrap_or(taken)]);
            self.consume(taken);
            if newline.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if line.len() <= limit {
                    return Ok(LineEnd::Newline);
                }
                // `limit + 1` bytes and a newline.
                line.push(b'\n');
                break Ok(LineEnd::TooLong);
            }
            if line.get(limit..).is_some_and(|rest| !matches!(rest, [] | [b'\r'])) {
                break Ok(LineEnd::TooLong);
            }
        };
        if line.len() <= limit {
            return end;
        }
        let rest = line.split_off(limit);
        self.put_back(&rest);
        end.map(|_| LineEnd::TooLong)
    }

    /// Reads exactly `len` bytes.
    ///
    /// Memory is taken as the bytes come, so a client that announces more than it sends costs no
    /// more than what it sends; the caller decides which `len` is too much.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the client ends before, [marked](crate::Disconnected); else as
    /// [`Connection::recv`].
    pub fn read_exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let have = bytes.len();
            bytes.resize(len.min(have + CHUNK), 0);
            self.read_exact(&mut bytes[have..])?;
        }
        Ok(bytes)
    }

    /// Reads a length and then that many bytes.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the length is more than `limit`: the length has been read then, and
    /// nothing else. Else as [`read_exactly`](Self::read_exactly).
    pub fn read_prefixed(&mut self, prefix: Prefix, limit: usize) -> io::Result<Vec<u8>> {
        let mut length = [0_u8; 8];
        self.read_exact(&mut length[8 - prefix.width()..])?;
        let length = u64::from_be_bytes(length);
        match usize::try_from(length) {
            Ok(length) if length <= limit => self.read_exactly(length),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a length of {length} bytes, where at most {limit} are allowed"),
            )),
        }
    }

    /// The bytes that have been received and not yet been read.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Puts bytes back that were just read.
    fn put_back(&mut self, bytes: &[u8]) {
        // They may have come in two fills of the buffer; then there is nothing before `start`.
        if bytes.len() > self.start {
            let missing = bytes.len() - self.start;
            self.buffer.splice(0..0, std::iter::repeat_n(0, missing));
            self.start += missing;
            self.end += missing;
        }
        self.start -= bytes.len();
        self.buffer[self.start..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Receives into the buffer, which is empty. While it waits it holds none, where that can be
    /// told.
    fn fill(&mut self) -> io::Result<()> {
        // A little at first, and twice as much after each time that it was filled, so that a short
        // request does not pay for clearing room for a long one.
        if self.end >= self.room {
            self.room = (self.room * 2).min(self.size).max(1);
        }
        (self.start, self.end) = (0, 0);
        self.send_held()?;
        loop {
            if !self.buffer.is_empty() {
                buffers::give(std::mem::take(&mut self.buffer));
            }
            let waited = self.connection.wait_input(self.room);
            self.unless_cut(waited)?;
            self.buffer = buffers::take();
            if self.buffer.len() < self.room {
                self.buffer.resize(self.room, 0);
            }
            let received = self.connection.recv_now(&mut self.buffer[..self.room]);
            if let Some(received) = received.transpose() {
                self.end = self.unless_cut_or_ended(received)?;
                return Ok(());
            }
        }
    }

    fn send_held(&self) -> io::Result<()> {
        match self.sends_held {
            true => self.shared.held.send(&*self.connection),
            false => Ok(()),
        }
    }

    fn unless_cut(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(_) if self.shared.is_cut() => Err(was_cut()),
            result => result,
        }
    }

    /// To a handler, the server's cut is not the client's end.
    fn unless_cut_or_ended(&self, result: io::Result<usize>) -> io::Result<usize> {
        match result {
            Ok(0) | Err(_) if self.shared.is_cut() => Err(was_cut()),
            result => result,
        }
    }
}

impl Drop for Rfile {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.buffer));
    }
}

impl Read for Rfile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // What would fill the buffer anyway goes past it.
        if self.start == self.end && (buf.len() >= self.size || self.size == 0) {
            if buf.is_empty() {
                return Ok(0);
            }
            self.send_held()?;
            return self.unless_cut_or_ended(self.connection.recv(buf));
        }
        let mut available = self.fill_buf()?;
        let len = available.read(buf)?;
        self.consume(len);
        Ok(len)
    }

    fn read_exact(&mut self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf) {
                Ok(0) => {
                    let text = "the client ended in the middle of a message";
                    return Err(disconnected(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                Ok(len) => buf = &mut buf[len..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl BufRead for Rfile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.end.min(self.start + amount);
    }
}

/// The connection's own descriptor. What is read from it directly is what comes after the
/// [`buffer`](Rfile::buffer).
impl AsFd for Rfile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl fmt::Debug for Rfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rfile")
            .field("size", &self.size)
            .field("unread", &self.buffer().len())
            .finish_non_exhaustive()
    }
}

/// How a line ended; see [`Rfile::read_line_within`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// As lines do.
    Newline,
    /// It did not, within the limit.
    TooLong,
    /// The client ended. What it had sent of the line, if anything, is there.
    Eof,
}

/// How wide a length is that stands before a message, in network byte order; see
/// [`Rfile::read_prefixed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
    /// Eight bytes.
    U64,
}

impl Prefix {
    fn width(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }
}

/// The lines of a connection; see [`Rfile::lines`].
#[derive(Debug)]
pub struct Lines<'a> {
    rfile: &'a mut Rfile,
}

impl Iterator for Lines<'_> {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let invalid = |text: &str| Some(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        let mut line = Vec::new();
        match self.rfile.read_line_within(LINE_LIMIT, &mut line) {
            Ok(LineEnd::Eof) if line.is_empty() => None,
            Ok(LineEnd::TooLong) => invalid("a line is longer than 64 KiB"),
            Ok(LineEnd::Newline | LineEnd::Eof) => match String::from_utf8(line) {
                Ok(line) => Some(Ok(line)),
                Err(_) => invalid("a line is not UTF-8"),
            },
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::{LineEnd, Prefix, Rfile};

    fn rfile(size: usize, input: &[u8]) -> Rfile {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(input).unwrap();
        Rfile::new(Arc::new(ours), size, Arc::default(), false)
    }

    /// Against the plain meaning, at every buffer size, so that lines are torn everywhere.
    #[test]
    fn lines_are_told_from_what_is_too_long_and_from_the_end() {
        use LineEnd::{Eof, Newline, TooLong};
        for size in 0..9 {
            let mut rfile = rfile(size, b"abc\nabcd\r\n\n\r\nabcde\nabcdefg\rh\nab\rc\nab");
            let mut line = Vec::new();
            let mut next = || {
                let end = rfile.read_line_within(4, &mut line).unwrap();
                (String::from_utf8(line.clone()).unwrap(), end)
            };
            for (text, end) in [
                ("abc", Newline),
                ("abcd", Newline),
                ("", Newline),
                ("", Newline),
                ("abcd", TooLong),
                ("e", Newline),
                ("abcd", TooLong),
                ("efg\r", TooLong),
                ("h", Newline),
                ("ab\rc", Newline),
                ("ab", Eof),
                ("", Eof),
            ] {
                assert_eq!(next(), (text.to_owned(), end), "with a buffer of {size}");
            }
        }
    }

    #[test]
    fn a_length_is_read_in_network_order_and_checked() {
        let mut rfile = rfile(3, b"\x00\x03abc\x01\x00def");
        assert_eq!(rfile.read_prefixed(Prefix::U16, 8).unwrap(), b"abc");
        let error = rfile.read_prefixed(Prefix::U16, 255).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert_eq!(rfile.read_exactly(2).unwrap(), b"de");
        let error = rfile.read_exactly(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn without_a_buffer_nothing_is_read_ahead() {
        let mut rfile = rfile(0, b"abcdef");
        assert_eq!(rfile.read_exactly(3).unwrap(), b"abc");
        assert!(rfile.buffer().is_empty());
        let mut rest = [0; 8];
        assert_eq!((&*rfile.connection).read(&mut rest).unwrap(), 3);
    }
}
