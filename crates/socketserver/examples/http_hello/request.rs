//! Reading one request: its head within 8 KiB, its body within what `head.rs` allows, and both
//! within ten seconds.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use socketserver::handler::{Rfile, Wfile};

use crate::head::{Head, Method, Status};

const HEAD: usize = 8 * 1024;

/// How long a request may take to come, from its first byte on, before no more of it is read.
const TIME: Duration = Duration::from_secs(10);

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    pub(crate) keep_alive: bool,
}

/// What a client has for us.
pub(crate) enum Next {
    Request(Request),
    /// Something that is no request that we could answer otherwise.
    Wrong(Status),
    /// Nothing: it has gone, or has been idle for too long.
    End,
}

pub(crate) fn read_request(rfile: &mut Rfile, wfile: &mut Wfile) -> io::Result<Next> {
    let mut reading = Reading { rfile, begun: None };
    let mut bytes = Vec::new();
    match reading.read_head(&mut bytes) {
        Ok(()) => {}
        Err(stop) => return stop.into_next(bytes.is_empty()),
    }
    let head = match Head::parse(&bytes) {
        Ok(head) => head,
        Err(status) => return Ok(Next::Wrong(status)),
    };
    if head.expects_continue && head.content_length > 0 {
        wfile.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    match reading.read_body(head.content_length, &mut body) {
        Ok(()) => {}
        Err(stop) => return stop.into_next(false),
    }
    let Head { method, target, keep_alive, .. } = head;
    Ok(Next::Request(Request { method, target, body, keep_alive }))
}

/// A request that comes in pieces.
struct Reading<'a> {
    rfile: &'a mut Rfile,
    /// When its first piece came.
    begun: Option<Instant>,
}

/// Why no more is read.
enum Stop {
    End,
    TooLong,
    Error(io::Error),
}

impl Stop {
    fn into_next(self, is_idle: bool) -> io::Result<Next> {
        match self {
            Self::End => Ok(Next::End),
            Self::TooLong => Ok(Next::Wrong(Status::HeadersTooLarge)),
            Self::Error(error) if error.kind() == io::ErrorKind::TimedOut => Ok(match is_idle {
                true => Next::End,
                false => Next::Wrong(Status::RequestTimeout),
            }),
            Self::Error(error) => Err(error),
        }
    }
}

impl Reading<'_> {
    /// What has come and has not been consumed; waits, if that is nothing.
    fn piece(&mut self) -> Result<&[u8], Stop> {
        // A handler's `timeout` is for each read, and would let one byte come now and then.
        if self.begun.is_some_and(|begun| begun.elapsed() > TIME) {
            return Err(Stop::Error(io::ErrorKind::TimedOut.into()));
        }
        match self.rfile.fill_buf() {
            Ok([]) => Err(Stop::End),
            Ok(piece) => {
                self.begun.get_or_insert_with(Instant::now);
                Ok(piece)
            }
            Err(error) => Err(Stop::Error(error)),
        }
    }

    /// Reads up to the empty line, and with it, into `head`.
    fn read_head(&mut self, head: &mut Vec<u8>) -> Result<(), Stop> {
        let mut has_begun = false;
        let mut length_of_line = 0;
        loop {
            let piece = self.piece()?;
            let mut taken = 0;
            let mut is_complete = false;
            for &byte in piece {
                taken += 1;
                match byte {
                    // Empty lines in front of a request are to be passed over.
                    b'\r' | b'\n' if !has_begun => {}
                    b'\n' if length_of_line == 0 => is_complete = true,
                    b'\n' => length_of_line = 0,
                    b'\r' => {}
                    _ => {
                        has_begun = true;
                        length_of_line += 1;
                    }
                }
                if is_complete {
                    break;
                }
            }
            head.extend_from_slice(&piece[..taken]);
            self.rfile.consume(taken);
            if head.len() > HEAD {
                return Err(Stop::TooLong);
            }
            if is_complete {
                return Ok(());
            }
        }
    }

    fn read_body(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), Stop> {
        while body.len() < length {
            let piece = self.piece()?;
            let taken = piece.len().min(length - body.len());
            body.extend_from_slice(&piece[..taken]);
            self.rfile.consume(taken);
        }
        Ok(())
    }
}
