//! Frames take less than half of their size when they are written down in fewer bytes: they are
//! zeros, small numbers, what has been moved from frame to frame, and addresses of few kinds, of
//! which the upper halves are the same.
//!
//! ```text
//!    a byte of two tags, what the first stands for, what the second stands for, and so on
//! ```

/// How a word is written: not at all, its lowest bytes, all of it, or how many words before it was
/// the same one. A lower half whose upper half was seen before has one of the tags after these.
const ZERO: u8 = 0;
const BYTE: u8 = 1;
const SHORT: u8 = 2;
const LOWER: u8 = 3;
const WHOLE: u8 = 4;
const SAME: u8 = 5;
const SEEN: u8 = 6;

/// The upper halves of the words that were written whole last.
#[derive(Default)]
struct Uppers {
    seen: [u32; 8],
    next: usize,
}

impl Uppers {
    fn position(&self, upper: u32) -> Option<u8> {
        self.seen.iter().position(|seen| *seen == upper).map(|at| at as u8)
    }

    fn note(&mut self, upper: u32) {
        self.seen[self.next] = upper;
        self.next = (self.next + 1) % self.seen.len();
    }
}

/// Where words were found last, by a part of their bits.
struct Places([u16; 256]);

impl Places {
    /// How many words before `index` the same was found, if it is not too far; notes this one.
    fn distance(&mut self, words: &[u64], index: usize) -> Option<u8> {
        let bits = words[index].wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let place = &mut self.0[bits as usize];
        let before = usize::from(std::mem::replace(place, index as u16));
        // What is wrong for a long stack or because nothing was noted is found to be different.
        let is_same = before < index && words[before] == words[index];
        u8::try_from(index - before.min(index)).ok().filter(|_| is_same)
    }
}

/// Writes `words` down in fewer bytes.
pub(super) fn pack(words: &[u64]) -> Box<[u8]> {
    let mut uppers = Uppers::default();
    let mut places = Places([0; 256]);
    let mut packed = Vec::with_capacity(words.len() * 8);
    for (pair_index, pair) in words.chunks(2).enumerate() {
        let tags_at = packed.len();
        packed.push(0);
        for (index, &word) in pair.iter().enumerate() {
            if word > 0xffff
                && let Some(distance) = places.distance(words, 2 * pair_index + index)
            {
                packed[tags_at] |= SAME << (4 * index);
                packed.push(distance);
                continue;
            }
            let (tag, len) = match (word >> 32) as u32 {
                0 => match word {
                    0 => (ZERO, 0),
                    1..=0xff => (BYTE, 1),
                    0x100..=0xffff => (SHORT, 2),
                    _ => (LOWER, 4),
                },
                upper => match uppers.position(upper) {
                    Some(at) => (SEEN + at, 4),
                    None => {
                        uppers.note(upper);
                        (WHOLE, 8)
                    }
                },
            };
            packed[tags_at] |= tag << (4 * index);
            packed.extend_from_slice(&word.to_le_bytes()[..len]);
        }
    }
    packed.into_boxed_slice()
}

/// Reads so many words of what [`pack`] has written.
pub(super) fn unpack(mut packed: &[u8], count: usize) -> Vec<u64> {
    let mut uppers = Uppers::default();
    let mut words = Vec::with_capacity(count);
    while let Some((tags, rest)) = packed.split_first() {
        packed = rest;
        for index in 0..2.min(count - words.len()) {
            let tag = tags >> (4 * index) & 0xf;
            let len = match tag {
                ZERO => 0,
                BYTE | SAME => 1,
                SHORT => 2,
                WHOLE => 8,
                _ => 4,
            };
            let (written, rest) = packed.split_at(len);
            packed = rest;
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(written);
            let mut word = u64::from_le_bytes(bytes);
            match tag {
                WHOLE => uppers.note((word >> 32) as u32),
                SAME => word = words[words.len() - word as usize],
                SEEN.. => word |= u64::from(uppers.seen[usize::from(tag - SEEN)]) << 32,
                _ => {}
            }
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};

    #[test]
    fn words_are_read_as_they_were_written() {
        // Small numbers, and numbers of every width with few and with many upper halves.
        let mut seed = 7_u64;
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed >> 11 ^ seed << 31
        };
        for len in 0..200 {
            let words: Vec<u64> = (0..len)
                .map(|_| match random() % 5 {
                    0 => 0,
                    1 => random() >> (random() % 64),
                    2 => 0x7fff_0000_0000 | random() >> 32,
                    3 => 0x5555_0000_0000 | random() >> 40,
                    _ => random(),
                })
                .collect();
            assert_eq!(unpack(&pack(&words), words.len()), words);
        }
    }

    #[test]
    fn addresses_and_zeros_take_less_than_half() {
        let words: Vec<u64> =
            (0..300).map(|n| if n % 3 == 0 { 0 } else { 0x7f12_3456_0000 | n }).collect();
        assert!(pack(&words).len() < 300 * 4);
    }
}
