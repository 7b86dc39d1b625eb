use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::eventually;

/// What happened, in order, noted by any thread and by any child that was forked since.
///
/// The notes go through a pipe, so those of a child are seen here as those of a thread are.
#[derive(Debug)]
pub struct Trace {
    writer: PipeWriter,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    reader: PipeReader,
    /// What has been read and is not yet a whole line.
    rest: Vec<u8>,
    notes: Vec<Note>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The process that noted it.
    pub process: u32,
    /// What it noted.
    pub text: String,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// Begins an empty one.
    ///
    /// # Panics
    ///
    /// When no pipe can be had.
    pub fn new() -> Self {
        let pipe = std::io::pipe().and_then(|(reader, writer)| {
            let flags = fcntl_getfl(&reader)?;
            fcntl_setfl(&reader, flags | OFlags::NONBLOCK)?;
            Ok((reader, writer))
        });
        let (reader, writer) = match pipe {
            Ok(ends) => ends,
            Err(error) => panic!("cannot make a pipe: {error}"),
        };
        Self { writer, seen: Mutex::new(Seen { reader, rest: Vec::new(), notes: Vec::new() }) }
    }

    /// Notes that `text`, one line, happened in this process.
    ///
    /// # Panics
    ///
    /// When nobody can read it any more.
    pub fn note(&self, text: impl AsRef<str>) {
        let line = format!("{} {}\n", std::process::id(), text.as_ref());
        // One write of less than PIPE_BUF bytes is never mixed with another.
        if let Err(error) = (&self.writer).write_all(line.as_bytes()) {
            panic!("cannot note {line:?}: {error}");
        }
    }

    /// All that has been noted so far.
    pub fn notes(&self) -> Vec<Note> {
        self.read().notes.clone()
    }

    /// The texts of all that has been noted so far.
    pub fn texts(&self) -> Vec<String> {
        let notes = self.notes().into_iter();
        notes.map(|note| note.text).collect()
    }

    /// How often something that begins with `text` has been noted so far.
    pub fn count(&self, text: &str) -> usize {
        let seen = self.read();
        let notes = seen.notes.iter();
        notes.filter(|note| note.text.starts_with(text)).count()
    }

    /// Waits until something that begins with `text` has been noted, for the first time.
    ///
    /// # Panics
    ///
    /// When it is not within the deadline.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_for_several(1, text);
    }

    /// Waits until something that begins with `text` has been noted `count` times.
    ///
    /// # Panics
    ///
    /// When it is not within the deadline.
    #[track_caller]
    pub fn wait_for_several(&self, count: usize, text: &str) {
        eventually(&format!("{count} x {text:?}"), || self.count(text) >= count);
    }

    /// Forgets what has been noted so far.
    pub fn clear(&self) {
        self.read().notes.clear();
    }

    fn read(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 4096];
        loop {
            match seen.reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => seen.rest.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("cannot read the notes: {error}"),
            }
        }
        let whole = seen.rest.iter().rposition(|&byte| byte == b'\n');
        let lines: Vec<u8> = seen.rest.drain(..whole.map_or(0, |at| at + 1)).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            let Some((process, text)) = line.split_once(' ') else {
                continue;
            };
            let process = process.parse().unwrap_or_default();
            let text = text.to_owned();
            seen.notes.push(Note { process, text });
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;

    #[test]
    fn notes_come_out_in_their_order_with_who_noted_them() {
        let trace = Trace::new();
        trace.note("one");
        trace.note("two, and more");
        assert_eq!(trace.texts(), ["one", "two, and more"]);
        assert_eq!(trace.notes()[1].process, std::process::id());
        assert_eq!(trace.count("two"), 1);
        trace.clear();
        assert!(trace.texts().is_empty());
    }
}
