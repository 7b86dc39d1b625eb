//! Where one message ends and the next begins on a stream: RFC 6587.

use std::io::{self, BufRead, Read};

use socketserver::LineEnd;
use socketserver::handler::Rfile;

/// Reads one message into `message`, up to `limit` bytes of it; the rest of a longer one is passed
/// over. Returns whether there was one.
///
/// A message that begins with a digit has its length in front of it ("octet counting"); any other
/// ends with its line. Both may come on one connection.
pub(crate) fn read_message(
    rfile: &mut Rfile,
    limit: usize,
    message: &mut Vec<u8>,
) -> io::Result<bool> {
    match rfile.fill_buf()? {
        [] => Ok(false),
        [b'1'..=b'9', ..] => read_counted(rfile, limit, message),
        _ => read_line(rfile, limit, message),
    }
}

/// `11 <13>message`
fn read_counted(rfile: &mut Rfile, limit: usize, message: &mut Vec<u8>) -> io::Result<bool> {
    let mut length: u64 = 0;
    loop {
        let mut byte = [0];
        rfile.read_exact(&mut byte)?;
        match byte[0] {
            digit @ b'0'..=b'9' if length < 1_000_000_000 => {
                length = length * 10 + u64::from(digit - b'0');
            }
            b' ' => break,
            _ => {
                let text = "a message does not begin with `<` or its length";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    let taken = length.min(limit as u64);
    *message = rfile.read_exactly(taken as usize)?;
    io::copy(&mut rfile.by_ref().take(length - taken), &mut io::sink())?;
    Ok(true)
}

fn read_line(rfile: &mut Rfile, limit: usize, message: &mut Vec<u8>) -> io::Result<bool> {
    let mut end = rfile.read_line_within(limit, message)?;
    if end == LineEnd::Eof {
        return Ok(!message.is_empty());
    }
    let mut dropped = Vec::new();
    while end == LineEnd::TooLong {
        end = rfile.read_line_within(limit, &mut dropped)?;
    }
    Ok(true)
}
