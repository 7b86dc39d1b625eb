//! The protocol of the hand-written loops: whole lines go back, the beginning of one is kept.

/// What is left of one connection's input.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet; as a rule there is none.
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what has been read and hands out all lines that are now complete, as one piece:
    /// without a copy, unless a line came in parts.
    pub(super) fn complete<'a>(&'a mut self, read: &'a [u8], reply: &'a mut Vec<u8>) -> &'a [u8] {
        let end = read.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let (lines, rest) = read.split_at(end);
        if self.begun.is_empty() || lines.is_empty() {
            self.begun.extend_from_slice(rest);
            return lines;
        }
        reply.clear();
        reply.extend_from_slice(&self.begun);
        reply.extend_from_slice(lines);
        self.begun.clear();
        self.begun.extend_from_slice(rest);
        reply
    }

    /// What the client had sent when it ended without a newline: as much a line as any.
    pub(super) fn rest(&self) -> &[u8] {
        &self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"one\ntwo\n\nthree\nfour";
        for size in 1..=text.len() {
            let (mut lines, mut replies) = (Lines::default(), Vec::new());
            for part in text.chunks(size) {
                let mut reply = Vec::new();
                let complete = lines.complete(part, &mut reply);
                assert!(complete.is_empty() || complete.ends_with(b"\n"), "{size}");
                replies.extend_from_slice(complete);
            }
            assert_eq!((replies.as_slice(), lines.rest()), (&text[..15], &b"four"[..]), "{size}");
        }
    }
}
