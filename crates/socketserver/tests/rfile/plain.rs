//! The reads of `rfile` as one would write them over bytes that are all there.

use socketserver::{LineEnd, Prefix};

/// All that a client sends, and how much of it has been read.
#[derive(Debug)]
pub(crate) struct Plain {
    bytes: Vec<u8>,
    pub(crate) read: usize,
}

impl Plain {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, read: 0 }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub(crate) fn read_line_within(&mut self, limit: usize) -> (Vec<u8>, LineEnd) {
        let rest = self.rest();
        let (line, with_end, end) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let line = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
                (line, at + 1, LineEnd::Newline)
            }
            None => (rest, rest.len(), LineEnd::Eof),
        };
        let (line, taken, end) = match line.len() <= limit {
            true => (line, with_end, end),
            false => (&line[..limit], limit, LineEnd::TooLong),
        };
        let line = line.to_vec();
        self.read += taken;
        (line, end)
    }

    /// How the next line would end.
    pub(crate) fn peek_line_within(&mut self, limit: usize) -> LineEnd {
        let read = self.read;
        let (_, end) = self.read_line_within(limit);
        self.read = read;
        end
    }

    /// `None` if there are not so many; all are gone then.
    pub(crate) fn read_exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        let bytes = self.rest().get(..len).map(<[u8]>::to_vec);
        self.read = self.bytes.len().min(self.read.saturating_add(len));
        bytes
    }

    /// An error is the length that is more than the limit.
    pub(crate) fn read_prefixed(
        &mut self,
        prefix: Prefix,
        limit: usize,
    ) -> Option<Result<Vec<u8>, u64>> {
        let width = match prefix {
            Prefix::U8 => 1,
            Prefix::U16 => 2,
            Prefix::U32 => 4,
            Prefix::U64 => 8,
        };
        let length = self.read_exactly(width)?;
        let length = length.into_iter().fold(0, |length, byte| length << 8 | u64::from(byte));
        if length > limit as u64 {
            return Some(Err(length));
        }
        self.read_exactly(length as usize).map(Ok)
    }

    /// Whether a plain read may have got `bytes`, which are then read.
    pub(crate) fn may_read(&mut self, bytes: &[u8], len: usize) -> bool {
        let fits = self.rest().starts_with(bytes) && bytes.len() <= len;
        let is_end = bytes.is_empty() == (len == 0 || self.rest().is_empty());
        self.read += bytes.len();
        fits && is_end
    }
}
