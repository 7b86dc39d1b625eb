//! What goes over the wire: commands one way, replies the other.

use std::io::{self, Read, Write};
use std::sync::Arc;

use socketserver::LineEnd;
use socketserver::handler::Rfile;

/// The most words that a command may have, and the most bytes in all of them.
const WORDS: usize = 1024;
const BYTES: usize = 1024 * 1024;

/// The longest command that is written as a line.
const INLINE: usize = 64 * 1024;

/// The longest line that says how many words there are, or how long one is.
const COUNT: usize = 32;

pub(crate) enum ReadError {
    /// The client does not speak the protocol.
    Protocol(&'static str),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a command: at least one word. `None` at the end of the stream.
pub(crate) fn read_command(rfile: &mut Rfile) -> Result<Option<Vec<Vec<u8>>>, ReadError> {
    let mut line = Vec::new();
    loop {
        match rfile.read_line_within(INLINE, &mut line)? {
            LineEnd::Newline => {}
            LineEnd::TooLong => return Err(ReadError::Protocol("too big inline request")),
            LineEnd::Eof => return Ok(None),
        }
        let words = match line.strip_prefix(b"*") {
            Some(count) => match parse(count) {
                Some(count) if count > WORDS as i64 => {
                    return Err(ReadError::Protocol("invalid multibulk length"));
                }
                Some(count) => match read_words(rfile, count)? {
                    Some(words) => words,
                    None => return Ok(None),
                },
                None => return Err(ReadError::Protocol("invalid multibulk length")),
            },
            // Typed by hand, into nc.
            None => line
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        };
        if !words.is_empty() {
            return Ok(Some(words));
        }
    }
}

fn read_words(rfile: &mut Rfile, count: i64) -> Result<Option<Vec<Vec<u8>>>, ReadError> {
    let mut words = Vec::new();
    let mut line = Vec::new();
    let mut room = BYTES;
    for _ in 0..count {
        if rfile.read_line_within(COUNT, &mut line)? == LineEnd::Eof {
            return Ok(None);
        }
        let Some(len) = line.strip_prefix(b"$") else {
            return Err(ReadError::Protocol("expected '$'"));
        };
        let len = parse(len).and_then(|len| usize::try_from(len).ok());
        let Some(len) = len.filter(|&len| len <= room) else {
            return Err(ReadError::Protocol("invalid bulk length"));
        };
        room -= len;
        words.push(rfile.read_exactly(len)?);
        let mut end = [0; 2];
        rfile.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return Err(ReadError::Protocol("expected an end of line after a word"));
        }
    }
    Ok(Some(words))
}

/// A decimal number, as lengths and integers are written.
pub(crate) fn parse(digits: &[u8]) -> Option<i64> {
    // Rust also knows `+1`, which the protocol does not.
    if digits.starts_with(b"+") {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

pub(crate) enum Reply {
    Simple(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Arc<[u8]>),
    /// There is no such thing.
    Null,
    Array(Vec<Self>),
}

impl Reply {
    pub(crate) const OK: Self = Self::Simple("OK");

    pub(crate) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().into())
    }

    pub(crate) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Simple(text) => write!(out, "+{text}\r\n"),
            // An error is a line, and a client's own words may be in it.
            Self::Error(text) => write!(out, "-{}\r\n", text.replace(['\r', '\n'], " ")),
            Self::Integer(number) => write!(out, ":{number}\r\n"),
            Self::Bulk(bytes) => {
                write!(out, "${}\r\n", bytes.len())?;
                out.write_all(bytes)?;
                out.write_all(b"\r\n")
            }
            Self::Null => out.write_all(b"$-1\r\n"),
            Self::Array(replies) => {
                write!(out, "*{}\r\n", replies.len())?;
                replies.iter().try_for_each(|reply| reply.write_to(out))
            }
        }
    }
}
