//! `WriteMode::UntilWait`: replies to requests that came together go out together, and no client
//! waits for a reply that is held back.

use std::io::{BufRead, Read, Write};

use socketserver::WriteMode::{Unbuffered, UntilWait};
use socketserver::{LineEnd, Prefix, Result};
use testkit::{alone, within_deadline};

use crate::noting::connect;
use crate::writes::{Request, serve, server};

fn echo_lines(request: &mut Request<'_>) -> Result {
    let Request { rfile, wfile, .. } = request;
    for line in rfile.lines() {
        writeln!(wfile, "{}", line?)?;
    }
    Ok(())
}

/// A thousand requests in one burst, which is here before the handler runs.
#[test]
fn a_burst_is_answered_with_few_sends() {
    let _alone = alone();
    let burst: String = (0..1000).map(|number| format!("{number}\n")).collect();

    let plain = server(Unbuffered, echo_lines);
    let (reply, sent) = serve(&plain, &burst);
    assert_eq!((reply.as_str(), sent.len()), (burst.as_str(), 1000));

    // One for each time that the handler had to look for more.
    let joined = server(UntilWait(64 * 1024), echo_lines);
    let (reply, sent) = serve(&joined, &burst);
    assert_eq!(reply, burst);
    assert!(sent.len() <= 10, "{} sends", sent.len());
}

/// No more is held back than was allowed, though nobody waits.
#[test]
fn no_more_is_held_back_than_the_buffer_holds() {
    let _alone = alone();
    let server = server(UntilWait(10), |request| {
        for letter in ["aaaa", "bbbb", "cccc"] {
            request.wfile.write_all(letter.as_bytes())?;
        }
        assert_eq!(request.server.sent(), ["aaaabbbb"]);
        Ok(())
    });
    assert_eq!(serve(&server, "").1, ["aaaabbbb", "cccc"]);
}

/// Reads a word in one of the ways that there are.
type ReadWord = fn(&mut Request<'_>) -> Result<Vec<u8>>;

/// Whichever way the handler reads, the client's reply is out before it waits.
#[test]
fn no_client_waits_for_a_reply_that_is_held_back() {
    let _alone = alone();
    let ways: [(&str, ReadWord); 7] = [
        ("abc", |request| Ok(request.rfile.read_exactly(3)?)),
        ("abc\n", |request| {
            let Request { rfile, .. } = request;
            let line = rfile.lines().next().transpose()?;
            Ok(line.unwrap_or_default().into_bytes())
        }),
        ("abc\n", |request| {
            let mut line = Vec::new();
            assert_eq!(request.rfile.read_line_within(80, &mut line)?, LineEnd::Newline);
            Ok(line)
        }),
        ("\x03abc", |request| Ok(request.rfile.read_prefixed(Prefix::U8, 80)?)),
        ("abc", |request| {
            let mut word = [0; 3];
            request.rfile.read_exact(&mut word)?;
            Ok(word.to_vec())
        }),
        ("abc", |request| {
            let word = request.rfile.fill_buf()?.to_vec();
            request.rfile.consume(word.len());
            Ok(word)
        }),
        ("abc", |request| {
            // As much as the buffer holds, and so past it.
            let mut word = vec![0; 8 * 1024];
            let len = request.rfile.read(&mut word)?;
            word.truncate(len);
            Ok(word)
        }),
    ];
    for (word, read_word) in ways {
        let server = server(UntilWait(64 * 1024), move |request| {
            for _ in 0..3 {
                let word = read_word(request)?;
                assert_eq!(word, b"abc");
                request.wfile.write_all(b"<abc>\n")?;
            }
            Ok(())
        });
        let server = server.spawn().unwrap();
        let mut client = connect(server.server_address());
        within_deadline(move || {
            for _ in 0..3 {
                client.send(word).unwrap();
                assert_eq!(client.read_line().unwrap(), "<abc>\n");
            }
        });
        crate::noting::stop(server);
    }
}

/// The reply to the first request is out while the second has come only in part.
#[test]
fn half_a_request_does_not_hold_back_the_reply_to_the_one_before() {
    let _alone = alone();
    let server = server(UntilWait(64 * 1024), echo_lines).spawn().unwrap();
    let mut client = connect(server.server_address());
    client.send("one\ntwo\nthr").unwrap();
    assert_eq!(client.read_line().unwrap(), "one\n");
    assert_eq!(client.read_line().unwrap(), "two\n");
    client.send("ee\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "three\n");
    drop(client);
    crate::noting::stop(server);
}
