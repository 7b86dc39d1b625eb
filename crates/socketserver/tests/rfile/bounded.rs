//! The limits of `rfile`, over real connections.

use std::io::{BufRead, ErrorKind, Read, Write};

use socketserver::handler::Rfile;
use socketserver::{LineEnd, Prefix, Result, StreamRequest, TcpServer, handler_fn};
use testkit::{alone, within_deadline};

use crate::noting::{Noting, connect, stop};

const MIB: usize = 1024 * 1024;

/// What the server's handler answers with to `input`, and what goes to `handle_error`.
fn answer(
    input: impl AsRef<[u8]> + Send + 'static,
    handle: impl Fn(&mut Rfile) -> Result<String> + Clone + Send + Sync + 'static,
) -> (String, Vec<String>) {
    let noting = Noting::default();
    let handle = move |request: &mut StreamRequest<'_, Noting>| {
        let answer = handle(&mut request.rfile)?;
        Ok(request.wfile.write_all(answer.as_bytes())?)
    };
    let builder = TcpServer::builder(handler_fn(handle)).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let address = server.server_address().clone();
    let reply = within_deadline(move || {
        let mut client = connect(&address);
        client.send(input).unwrap();
        client.end().unwrap();
        client.read_to_end().unwrap()
    });
    stop(server);
    (String::from_utf8(reply).unwrap(), noting.trace.texts())
}

/// B40.
#[test]
fn a_line_of_64_kib_is_a_line_and_a_longer_one_is_an_error() {
    let _alone = alone();
    let first_line = |rfile: &mut Rfile| {
        let line = rfile.lines().next().transpose();
        Ok(line?.map_or("none".to_owned(), |line| line.len().to_string()))
    };
    let line = |len| "x".repeat(len) + "\r\n";
    assert_eq!(answer(line(64 * 1024), first_line), ("65536".to_owned(), vec![]));
    let told = "error: a line is longer than 64 KiB".to_owned();
    assert_eq!(answer(line(64 * 1024 + 1), first_line), (String::new(), vec![told]));
}

/// The text of an error says what was wrong; B40.
#[test]
fn a_line_that_is_not_text_is_an_error_of_its_own_kind() {
    let _alone = alone();
    let kind = |rfile: &mut Rfile| Ok(format!("{:?}", rfile.lines().next().unwrap()));
    let (reply, _) = answer(b"caf\xe9\n", kind);
    assert!(reply.contains("InvalidData") && reply.contains("not UTF-8"), "{reply}");
}

/// B40: after a line that is too long, its rest is there, and the protocol may go on.
#[test]
fn the_rest_of_a_line_that_is_too_long_can_be_skipped() {
    let _alone = alone();
    let skip = |rfile: &mut Rfile| {
        let mut line = Vec::new();
        assert_eq!(rfile.read_line_within(3, &mut line)?, LineEnd::TooLong);
        let begin = String::from_utf8(line.clone())?;
        while rfile.read_line_within(1000, &mut line)? == LineEnd::TooLong {}
        assert_eq!(rfile.read_line_within(1000, &mut line)?, LineEnd::Newline);
        Ok(begin + "/" + &String::from_utf8(line)?)
    };
    let input = "abc".repeat(MIB) + "\nnext\n";
    assert_eq!(answer(input, skip).0, "abc/next");
}

/// How much address space this process has had at the most.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    let kib = peak.trim().trim_end_matches("kB").trim();
    kib.parse::<usize>().unwrap() * 1024
}

/// B40: memory grows with what comes, not with what is announced, even where the handler allows
/// any length.
#[test]
fn a_huge_announced_length_costs_no_memory() {
    let _alone = alone();
    let announced = (1_u64 << 60).to_be_bytes();
    let prefixed = |rfile: &mut Rfile| {
        let error = rfile.read_prefixed(Prefix::U64, usize::MAX).unwrap_err();
        Ok(format!("{:?}", error.kind()))
    };
    let exactly = |rfile: &mut Rfile| {
        let error = rfile.read_exactly(1 << 60).unwrap_err();
        Ok(format!("{:?}", error.kind()))
    };
    // The threads that these make are counted too, so they are made once before.
    answer(announced, prefixed);
    let before = peak();
    let input = [&announced[..], &[0; MIB]].concat();
    assert_eq!(answer(input.clone(), prefixed).0, "UnexpectedEof");
    assert_eq!(answer(input, exactly).0, "UnexpectedEof");
    let grown = peak() - before;
    assert!(grown < 512 * MIB, "{grown} bytes");
}

/// B40: a length above the handler's limit is refused before anything of it is read.
#[test]
fn a_length_above_the_limit_is_refused_and_the_connection_can_go_on() {
    let _alone = alone();
    let refused = |rfile: &mut Rfile| {
        let error = rfile.read_prefixed(Prefix::U32, 1000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let mut rest = String::new();
        rfile.read_to_string(&mut rest)?;
        Ok(format!("{error}, then {rest}"))
    };
    let (reply, errors) = answer(b"\xff\xff\xff\xffrest", refused);
    assert_eq!(reply, "a length of 4294967295 bytes, where at most 1000 are allowed, then rest");
    assert_eq!(errors, [""; 0]);
}

/// The methods of std are there too, and see the same bytes.
#[test]
fn the_methods_of_read_and_buf_read_see_the_same_bytes() {
    let _alone = alone();
    let mixed = |rfile: &mut Rfile| {
        let mut word = Vec::new();
        rfile.read_until(b' ', &mut word)?;
        let two = rfile.read_exactly(2)?;
        let line = rfile.lines().next().unwrap()?;
        let mut rest = String::new();
        rfile.read_to_string(&mut rest)?;
        let (word, two) = (String::from_utf8(word)?, String::from_utf8(two)?);
        Ok(format!("{word:?} {two:?} {line:?} {rest:?}"))
    };
    let (reply, _) = answer("one twothree\r\nfour\nfive", mixed);
    assert_eq!(reply, r#""one " "tw" "othree" "four\nfive""#);
}
