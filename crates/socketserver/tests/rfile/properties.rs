//! Every sequence of reads gives what its plain version gives, however the bytes come.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::Arc;

use proptest::prelude::*;
use socketserver::handler::Rfile;
use socketserver::{LineEnd, Prefix, Result};
use testkit::alone;

use crate::plain::Plain;
use crate::scripted::{Piece, Scripted, read};

/// One read.
#[derive(Clone, Debug)]
enum Op {
    Line(usize),
    Exactly(usize),
    Prefixed(Prefix, usize),
    Read(usize),
    /// `fill_buf`, and `consume` of so many of those.
    Fill(usize),
}

/// Bytes of which many are the ends of lines, and many small lengths.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(b'a'),
        2 => Just(b'\n'),
        2 => Just(b'\r'),
        2 => Just(0),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..12)
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        6 => bytes().prop_filter("the end comes last", |bytes| !bytes.is_empty())
            .prop_map(Piece::Bytes),
        1 => Just(Piece::Interrupted),
    ];
    prop::collection::vec(piece, 0..10)
}

fn op() -> impl Strategy<Value = Op> {
    let limit = prop_oneof![8 => 0..12_usize, 1 => Just(usize::MAX)];
    let prefix = prop_oneof![
        4 => Just(Prefix::U8),
        2 => Just(Prefix::U16),
        1 => Just(Prefix::U32),
        1 => Just(Prefix::U64)
    ];
    prop_oneof![
        6 => limit.clone().prop_map(Op::Line),
        2 => (0..20_usize).prop_map(Op::Exactly),
        2 => (prefix, 0..20_usize).prop_map(|(prefix, limit)| Op::Prefixed(prefix, limit)),
        2 => (0..20_usize).prop_map(Op::Read),
        1 => (0..20_usize).prop_map(Op::Fill),
    ]
}

/// Fails a test with a text.
macro_rules! check {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+).into());
        }
    };
}

fn again<T>(mut read: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Does `op` on both, and compares.
fn compare(op: &Op, rfile: &mut Rfile, plain: &mut Plain) -> Result {
    match *op {
        Op::Line(limit) => {
            let mut line = b"what was there".to_vec();
            let end = rfile.read_line_within(limit, &mut line)?;
            let expected = plain.read_line_within(limit);
            check!((&line, end) == (&expected.0, expected.1), "{line:?} {end:?}, not {expected:?}");
        }
        Op::Exactly(len) => {
            let got = rfile.read_exactly(len);
            let kind = got.as_ref().err().map(std::io::Error::kind);
            let expected = plain.read_exactly(len);
            let at_end = expected.is_none().then_some(ErrorKind::UnexpectedEof);
            check!(kind == at_end, "{got:?}, not {expected:?}");
            check!(got.as_ref().ok() == expected.as_ref(), "{got:?}, not {expected:?}");
        }
        Op::Prefixed(prefix, limit) => {
            let got = rfile.read_prefixed(prefix, limit);
            let kind = got.as_ref().err().map(std::io::Error::kind);
            let (expected, expected_kind) = match plain.read_prefixed(prefix, limit) {
                Some(Ok(bytes)) => (Some(bytes), None),
                Some(Err(_)) => (None, Some(ErrorKind::InvalidData)),
                None => (None, Some(ErrorKind::UnexpectedEof)),
            };
            check!(kind == expected_kind, "{got:?}, not {expected_kind:?}");
            check!(got.as_ref().ok() == expected.as_ref(), "{got:?}, not {expected:?}");
        }
        Op::Read(len) => {
            let mut buf = vec![0; len];
            let got = again(|| rfile.read(&mut buf))?;
            check!(plain.may_read(&buf[..got], len), "a read got {:?}", &buf[..got]);
        }
        Op::Fill(len) => {
            let filled = again(|| rfile.fill_buf().map(<[u8]>::to_vec))?;
            let len = len.min(filled.len());
            let is_end = filled.is_empty();
            check!(plain.may_read(&filled[..len], if is_end { 1 } else { len }), "{filled:?}");
            rfile.consume(len);
        }
    }
    Ok(())
}

fn sent(pieces: &[Piece]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        if let Piece::Bytes(bytes) = piece {
            all.extend_from_slice(bytes);
        }
    }
    all
}

/// What a test of one case ends with.
fn verdict(result: Result<(), String>) -> std::result::Result<(), TestCaseError> {
    result.map_err(TestCaseError::fail)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

/// B40, A94: bounded, and neither torn bytes nor interrupted reads are ever seen; no byte is lost
/// or read twice.
#[test]
fn any_sequence_of_reads_gives_what_the_plain_one_gives() {
    let _alone = alone();
    proptest!(config(), |(pieces in pieces(), ops in prop::collection::vec(op(), 1..24),
                          rbufsize in 0..20_usize)| {
        let script = Scripted::new(pieces.clone());
        let taken = Arc::clone(&script);
        verdict(read(&script, rbufsize, move |rfile| {
            let mut plain = Plain::new(sent(&pieces));
            for op in &ops {
                compare(op, rfile, &mut plain).map_err(|error| format!("{op:?}: {error}"))?;
                let unread = taken.taken() - plain.read;
                check!(unread == rfile.buffer().len(), "{unread} bytes are unread after {op:?}");
            }
            Ok(())
        }))?;
    });
}

/// A83: with `rbufsize` 0 the rest is for whoever the descriptor is handed to. To see that a line
/// is too long, up to two bytes more must be looked at.
#[test]
fn without_a_buffer_not_a_byte_more_is_received_than_was_asked_for() {
    let _alone = alone();
    let op = op().prop_filter("it is asked to fill", |op| !matches!(op, Op::Fill(_)));
    proptest!(config(), |(pieces in pieces(), ops in prop::collection::vec(op, 1..24))| {
        let script = Scripted::new(pieces.clone());
        verdict(read(&script, 0, move |rfile| {
            let mut plain = Plain::new(sent(&pieces));
            let mut ahead = 0;
            for op in &ops {
                if let Op::Line(limit) = *op
                    && plain.peek_line_within(limit) == LineEnd::TooLong
                {
                    ahead = 2;
                }
                compare(op, rfile, &mut plain)?;
                let unread = rfile.buffer().len();
                check!(unread <= ahead, "{unread} bytes are unread after {op:?}");
            }
            Ok(())
        }))?;
    });
}

/// A88, B40: whatever a time-out leaves behind, reading on loses nothing, and no line is longer
/// than the limit.
#[test]
fn a_line_that_times_out_is_within_its_limit_and_loses_nothing() {
    let _alone = alone();
    let pieces = prop::collection::vec(
        prop_oneof![
            4 => bytes().prop_filter("the end comes last", |bytes| !bytes.is_empty())
                .prop_map(Piece::Bytes),
            1 => Just(Piece::TimedOut),
        ],
        0..10,
    );
    proptest!(config(), |(pieces in pieces, limit in 1..6_usize, rbufsize in 0..9_usize)| {
        let script = Scripted::new(pieces.clone());
        verdict(read(&script, rbufsize, move |rfile| {
            let mut all = Vec::new();
            let mut line = Vec::new();
            loop {
                let end = rfile.read_line_within(limit, &mut line);
                check!(line.len() <= limit, "{line:?} is longer than {limit}");
                all.append(&mut line);
                match end {
                    Ok(LineEnd::Eof) => break,
                    Ok(_) => {}
                    Err(error) => check!(error.kind() == ErrorKind::TimedOut, "{error}"),
                }
            }
            let without_ends = |bytes: Vec<u8>| -> Vec<u8> {
                bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
            };
            let expected = without_ends(sent(&pieces));
            let all = without_ends(all);
            check!(all == expected, "{all:?}, not {expected:?}");
            Ok(())
        }))?;
    });
}
