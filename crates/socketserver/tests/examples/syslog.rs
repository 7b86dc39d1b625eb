//! `syslog`: messages of both formats, over three kinds of sockets, from the real `logger` too.

use std::os::unix::net::UnixDatagram;

use testkit::{SocketPath, alone, datagram_client, socket_path};

use crate::running::{Example, client, stop_without_errors};

fn start() -> (Example, SocketPath) {
    let path = socket_path();
    let mut example = Example::start("syslog", &["127.0.0.1:0", path.to_str().unwrap()]);
    example.eventually_writes("/s\n");
    (example, path)
}

#[test]
fn messages_of_both_formats_are_understood() {
    let _alone = alone();
    let (mut example, _path) = start();
    let socket = datagram_client(example.udp_address()).unwrap();
    for (message, line) in [
        (
            "<165>1 2026-11-22T09:26:53.5Z host app 42 ID7 - all of it",
            "local4.notice 2026-11-22T09:26:53.5Z host app[42]: all of it",
        ),
        (
            "<34>1 - - - - - [a@1 x=\"b\\\" ]\"][c@1] \u{feff}with data",
            "auth.crit - - - [a@1 x=\"b\\\" ]\"][c@1]: with data",
        ),
        ("<0>1 - - app - - -", "kern.emerg - - app: "),
        (
            "<13>Nov  2 09:26:53 host app[42]: from elsewhere",
            "user.notice Nov  2 09:26:53 host app[42]: from elsewhere",
        ),
        ("<191>Nov 22 09:26:53 app: from here\n", "local7.debug Nov 22 09:26:53 - app: from here"),
        ("<13>no time: but text", "user.notice - - -: no time: but text"),
        ("<192>too high", "user.notice - - -: <192>too high"),
        ("<+1>signed", "user.notice - - -: <+1>signed"),
        ("<34>1 - - - - - [open text", "auth.crit - - -: 1 - - - - - [open text"),
        ("nothing but text", "user.notice - - -: nothing but text"),
        ("a\nb\x1b[0m\u{e4}", "user.notice - - -: a\\nb\\u{1b}[0m\u{e4}"),
        ("", "user.notice - - -: "),
    ] {
        socket.send(message.as_bytes()).unwrap();
        example.eventually_writes(&format!("\n{line}\n"));
    }
    assert!(stop_without_errors(example).ends_with("12 messages\n"));
}

/// Octet counting and lines, mixed, and torn anywhere.
#[test]
fn messages_are_told_apart_on_a_connection() {
    let _alone = alone();
    let (example, _path) = start();
    let stream = "8 <13>one\n<13>two\n11 <13>three\nx<13>four\r\n7 <13>six<13>five";
    for piece in [1000, 1, 4] {
        let mut connection = example.connect();
        for piece in stream.as_bytes().chunks(piece) {
            connection.send(piece).unwrap();
        }
        assert_eq!(connection.exchange("").unwrap(), b"");
    }
    let output = stop_without_errors(example);
    for text in ["one", "two", "three\\nx", "four", "six", "five"] {
        let line = format!("user.notice - - -: {text}\n");
        assert_eq!(output.matches(&line).count(), 3, "{line}{output}");
    }
    assert!(output.ends_with("18 messages\n"), "{output}");
}

/// The end is dropped, and the next message is whole.
#[test]
fn a_message_that_is_too_long_is_cut() {
    let _alone = alone();
    let (example, _path) = start();
    let long = "x".repeat(50_000);
    let stream = format!("{long}\n<13>next\n50000 {long}8 <13>last");
    assert_eq!(example.connect().exchange(stream).unwrap(), b"");
    let output = stop_without_errors(example);
    let kept = format!("user.notice - - -: {}\n", "x".repeat(8192));
    assert_eq!(output.matches(&kept).count(), 2);
    assert!(output.contains(": next\n") && output.contains(": last\n"));
    assert!(output.ends_with("4 messages\n"));
}

#[test]
fn a_connection_without_messages_is_given_up() {
    let _alone = alone();
    let (mut example, _path) = start();
    assert_eq!(example.connect().exchange("12GET / HTTP/1.1\r\n").unwrap(), b"");
    example.eventually_writes("a message does not begin with `<` or its length");
    example.stop();
}

#[test]
fn a_path_is_listened_on_and_removed() {
    let _alone = alone();
    let (mut example, path) = start();
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"<13>Nov 22 09:26:53 app: by path", &path).unwrap();
    example.eventually_writes("user.notice Nov 22 09:26:53 - app: by path\n");
    stop_without_errors(example);
    assert!(path.left().is_empty());
}

#[test]
fn logger_logs_over_all_three() {
    let _alone = alone();
    let (mut example, path) = start();
    let tcp = &example.address().port().to_string();
    let udp = &example.udp_address().port().to_string();
    let server = ["-t", "app", "-p", "local3.err", "-n", "127.0.0.1", "-P"];
    let path = path.to_str().unwrap();
    for arguments in [
        [&server[..], &[udp, "-d", "message 1"]].concat(),
        [&server[..], &[udp, "-d", "--rfc3164", "message 2"]].concat(),
        [&server[..], &[tcp, "-T", "message 3"]].concat(),
        [&server[..], &[tcp, "-T", "--octet-count", "message 4"]].concat(),
        ["-t", "app", "-p", "local3.err", "-u", path, "message 5"].to_vec(),
    ] {
        if client("logger", &arguments).is_none() {
            stop_without_errors(example);
            return;
        }
        let text = arguments.last().unwrap();
        example.eventually_writes(&format!(": {text}\n"));
    }
    let output = stop_without_errors(example);
    let lines: Vec<_> = output.lines().filter(|line| line.contains(": message ")).collect();
    assert_eq!(lines.len(), 5, "{output}");
    for line in lines {
        assert!(line.starts_with("local3.err ") && line.contains(" app"), "{line}");
    }
}
