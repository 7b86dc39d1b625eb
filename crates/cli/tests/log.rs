//! What is written to standard error, and who is told that all is ready.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::io::Read;
use std::os::fd::AsRawFd;

use common::{Serving, command, run};
use serde_json::Value;
use testkit::{Process, datagram_client, eventually};

const MIXINS: [&str; 4] = ["synchronous", "threading", "forking", "coroutine"];

fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line of an event, and that its time is one.
#[track_caller]
fn line<'a>(lines: &'a [Value], event: &str) -> &'a Value {
    let line = lines.iter().find(|line| line["event"] == event);
    let line = line.unwrap_or_else(|| panic!("no {event}: {lines:?}"));
    let time = line["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    line
}

#[test]
fn json_has_one_object_a_line_with_the_fields_that_are_documented() {
    for mixin in MIXINS {
        let args = ["tcp://127.0.0.1:0", "--log", "json", "-v", "--mixin", mixin, "--"];
        let program = ["/bin/sh", "-c", "read -r line; exit $line"];
        let mut serving = Serving::start(command().args(args).args(program), 1);
        let first = lines(&serving.output());
        let endpoint = first[0]["endpoint"].as_str().unwrap().to_owned();
        let address = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
        for status in ["0\n", "9\n"] {
            let client = testkit::Connect::Tcp(address).connect().unwrap();
            client.exchange(status).unwrap();
        }
        serving.until("both are told", |output| {
            output.contains("\"finished\"") && output.contains("\"failed\"")
        });
        eventually("no child is left", || serving.children().is_empty());
        let (code, output) = serving.stop();
        assert_eq!(code, 0, "{output}");

        let lines = lines(&output);
        let started = line(&lines, "started");
        let finished = line(&lines, "finished");
        let failed = line(&lines, "failed");
        for request in [started, finished, failed] {
            assert_eq!(request["endpoint"], endpoint.as_str());
            let client = request["client"].as_str().unwrap();
            assert!(client.starts_with("127.0.0.1:"), "{client}");
        }
        assert_eq!((&started["level"], &failed["level"]), (&"debug".into(), &"warning".into()));
        assert_eq!(finished["outcome"], "complete");
        assert!(finished["elapsed_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(failed["error"], "/bin/sh ended with exit status: 9");
        assert_eq!(line(&lines, "draining")["deadline_ms"], 30_000.0);
        let drained = line(&lines, "drained");
        for count in ["finished", "cut", "unfinished"] {
            assert_eq!(drained[count], 0, "{mixin}: {count}");
        }
    }
}

#[test]
fn connections_are_told_only_when_asked_for() {
    let mut serving = Serving::with("tcp://127.0.0.1:0 --echo");
    assert_eq!(serving.client().exchange("hello").unwrap(), b"hello");
    let (_, output) = serving.stop();
    assert!(!output.contains("started") && !output.contains("127.0.0.1:0"), "{output}");

    let mut serving = Serving::with("tcp://127.0.0.1:0 --echo --verbose");
    assert_eq!(serving.client().exchange("hello").unwrap(), b"hello");
    let output = serving.until("both ends", |output| output.contains("finished after"));
    let line = output.lines().find(|line| line.ends_with(" started")).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
    assert!(rest.starts_with(&format!("{}: 127.0.0.1:", serving.endpoint(0))), "{line}");
}

/// A real port for port 0, one line for each endpoint, in their order.
#[test]
fn each_endpoint_has_its_line() {
    let args = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "--echo"];
    let mut serving = Serving::start(command().args(args), 2);
    let output = serving.output();
    let lines: Vec<_> = output.lines().collect();
    assert!(lines[0].starts_with("listening on udp://127.0.0.1:"), "{output}");
    assert!(lines[1].starts_with("listening on tcp://127.0.0.1:"), "{output}");
    assert_ne!(serving.address(0).port(), 0);
    assert_ne!(serving.address(1).port(), 0);
}

/// The newline comes when all is being served, and the descriptor is closed after it.
#[test]
fn readiness_is_told_on_the_descriptor() {
    for mixin in MIXINS {
        for log in ["human", "none"] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let inherited = rustix::io::dup(&writer).unwrap();
            let number = inherited.as_raw_fd().to_string();
            let name = format!("socketserver-cli-ready-{}-{mixin}", std::process::id());
            let endpoint = format!("unix:@{name}");
            let mut command = command();
            command.args([&endpoint, "--echo", "--mixin", mixin, "--log", log]);
            let mut process = Process::start(command.args(["--ready-fd", &number])).unwrap();
            drop((writer, inherited));
            let mut told = String::new();
            reader.read_to_string(&mut told).unwrap();
            assert_eq!(told, "\n");
            drop(common::abstract_stream(&name));
            if log == "none" {
                assert_eq!(process.output(), "");
            }
            process.signal(common::SIGTERM);
            let (status, output) = process.wait();
            assert_eq!(status.code(), Some(0), "{output}");
            assert!(log == "human" || output.is_empty(), "{output}");
        }
    }
}

/// What keeps the command from serving is told in any case.
#[test]
fn errors_are_told_even_without_a_log() {
    let (code, output) = run(["unix:/nowhere/socket", "--echo", "--log", "none"]);
    assert_eq!(code, 100);
    assert!(output.starts_with("socketserver: unix:/nowhere/socket: "), "{output}");
}

/// The name of a client is not a way to write lines of one's own.
#[test]
fn control_characters_in_a_clients_name_are_not_written() {
    let name = format!("socketserver-cli-control-{}", std::process::id());
    let mut serving = Serving::with(&format!("unixgram:@{name} --echo --verbose"));
    let folder = testkit::socket_path();
    let own = folder.folder().join("a\nb\u{1b}[31m");
    let client = std::os::unix::net::UnixDatagram::bind(own).unwrap();
    let server = common::abstract_name(&name);
    client.send_to_addr(b"hello", &server).unwrap();
    let output = serving.until("it is told", |output| output.contains("finished after"));
    assert!(output.contains("a?b?[31m started") && !output.contains('\u{1b}'), "{output}");
}

/// What a datagram's client is called, and that its service has ended.
#[test]
fn datagrams_are_told_as_requests() {
    let mut serving = Serving::with("udp://127.0.0.1:0 --echo --verbose");
    let client = datagram_client(serving.address(0)).unwrap();
    client.send(b"hello").unwrap();
    let own = client.local_addr().unwrap();
    serving.until("its end", |output| output.contains(&format!("{own} finished after")));
}
