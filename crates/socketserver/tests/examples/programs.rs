//! The user programs.

use std::io::Read;
use std::os::unix::net::UnixStream;

use testkit::{Connect, DEADLINE, Process, alone, datagram_client, socket_path};

use crate::running::{Example, command, stop_without_errors};

#[test]
fn tcp_echo_gives_each_line_back() {
    let _alone = alone();
    let example = Example::on_port_0("tcp_echo");
    let reply = example.connect().exchange("one\n\ntwo\r\nthree").unwrap();
    assert_eq!(reply, b"one\n\ntwo\nthree\n");
    assert_eq!(example.connect().exchange("next\n").unwrap(), b"next\n");
    stop_without_errors(example);
}

#[test]
fn tcp_echo_refuses_a_line_without_end_and_serves_the_next_client() {
    let _alone = alone();
    let mut example = Example::on_port_0("tcp_echo");
    let reply = example.connect().exchange(vec![b'x'; 100_000]).unwrap();
    assert_eq!(reply, b"");
    assert_eq!(example.connect().exchange("next\n").unwrap(), b"next\n");
    example.eventually_writes("a line is longer than 64 KiB");
    example.stop();
}

#[test]
fn udp_upper_answers_each_packet_but_an_empty_one() {
    let _alone = alone();
    let example = Example::on_port_0("udp_upper");
    let client = datagram_client(example.address()).unwrap();
    let mut reply = [0; 100];
    for (packet, expected) in [("hello", "HELLO"), ("\u{e4}1", "\u{e4}1")] {
        client.send(b"").unwrap();
        client.send(packet.as_bytes()).unwrap();
        let len = client.recv(&mut reply).unwrap();
        assert_eq!(&reply[..len], expected.as_bytes());
    }
    stop_without_errors(example);
}

#[test]
fn unix_verify_answers_its_owner_and_leaves_no_path() {
    let _alone = alone();
    let path = socket_path();
    let example = Example::start("unix_verify", &[path.to_str().unwrap()]);
    let mut client = Connect::Unix(path.to_path_buf()).connect().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"hello, owner\n");
    stop_without_errors(example);
    assert!(path.left().is_empty());
}

#[test]
fn unix_verify_refuses_another_user() {
    let _alone = alone();
    let path = socket_path();
    let nobody = "4294967294";
    let example = Example::start("unix_verify", &[path.to_str().unwrap(), nobody]);
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"");
    stop_without_errors(example);
}

/// Where a request of `one_word` ran: the process's id, the thread's name, and whether in a
/// coroutine of it.
fn who_am_i(example: &Example) -> (u32, String, bool) {
    let reply = String::from_utf8(example.connect().read_to_end().unwrap()).unwrap();
    let (process, thread) = reply.trim_end().split_once(", thread ").unwrap();
    let process = process.strip_prefix("process ").unwrap().parse().unwrap();
    match thread.strip_suffix(", a coroutine") {
        Some(thread) => (process, thread.to_owned(), true),
        None => (process, thread.to_owned(), false),
    }
}

#[test]
fn one_word_runs_requests_where_the_word_says() {
    let _alone = alone();
    for mixin in [None, Some("synchronous"), Some("threading"), Some("forking"), Some("coroutine")]
    {
        let arguments: Vec<_> = ["127.0.0.1:0"].into_iter().chain(mixin).collect();
        let example = Example::start("one_word", &arguments);
        let (process, thread, is_coroutine) = who_am_i(&example);
        assert_eq!(process != example.id(), mixin == Some("forking"), "{mixin:?}");
        assert_eq!(is_coroutine, mixin == Some("coroutine"), "{mixin:?}");
        let is_own_thread = matches!(mixin, None | Some("threading" | "coroutine"));
        assert_eq!(thread != "main", is_own_thread, "{mixin:?}: {thread}");
        stop_without_errors(example);
    }
}

#[test]
fn one_word_names_a_mixin_that_there_is_not() {
    let _alone = alone();
    let mut command = command("one_word", &["127.0.0.1:0", "juggling"]);
    let (status, output) = Process::start(&mut command).unwrap().wait();
    assert_eq!(status.code(), Some(1));
    assert!(output.contains("juggling") && !output.contains("listening"), "{output}");
}

#[test]
fn hooks_are_called_around_the_requests() {
    let _alone = alone();
    let mut example = Example::on_port_0("hooks");
    example.eventually_writes("nobody came\n");
    let visit = |line: &str| example.connect().exchange(line).unwrap();
    assert_eq!(visit("1 2 3\n"), b"6\n");
    assert_eq!(visit("1 two\n"), b"sorry: invalid digit found in string\n");
    assert_eq!(visit("9223372036854775807 1\n"), b"sorry: the sum is too large\n");
    // The fourth within a minute.
    assert_eq!(example.connect().read_to_end().unwrap(), b"");
    let output = example.stop();
    assert_eq!(output.matches(" was here for ").count(), 3, "{output}");
    assert!(output.contains("3 visits, 2 of which failed\n"), "{output}");
    assert_eq!(output.matches("Exception occurred").count(), 2, "{output}");
}

#[test]
fn shutdown_waits_for_the_work_that_has_begun() {
    let _alone = alone();
    let mut example = Example::on_port_0("shutdown");
    let mut worker = example.connect();
    worker.send("300\n").unwrap();
    worker.end().unwrap();
    assert_eq!(example.connect().exchange("stop\n").unwrap(), b"stopping\n");
    example.eventually_writes("stopping; ");
    assert_eq!(worker.read_to_end().unwrap(), b"worked for 300 ms\n");
    let output = example.wait();
    assert!(output.contains("ended by themselves") && !output.contains("was cut"), "{output}");
}

#[test]
fn shutdown_cuts_who_is_not_done_in_time_and_prints_no_error_for_it() {
    let _alone = alone();
    let example = Example::start("shutdown", &["127.0.0.1:0", "0"]);
    let mut idle = example.connect();
    idle.send("0\n").unwrap();
    assert_eq!(idle.read_line().unwrap(), "worked for 0 ms\n");
    example.terminate();
    assert_eq!(idle.read_to_end().unwrap(), b"");
    let output = example.wait();
    assert!(output.contains("0 ended by themselves\n"), "{output}");
    assert!(output.contains(" was cut after "), "{output}");
    assert!(!output.contains("Exception occurred"), "{output}");
}

#[test]
fn shutdown_cuts_at_once_on_a_second_signal() {
    let _alone = alone();
    let an_hour = "3600";
    let mut example = Example::start("shutdown", &["127.0.0.1:0", an_hour]);
    let mut idle = example.connect();
    idle.send("0\n").unwrap();
    assert_eq!(idle.read_line().unwrap(), "worked for 0 ms\n");
    example.terminate();
    example.eventually_writes("stopping; 1 requests run\n");
    example.terminate();
    assert_eq!(idle.read_to_end().unwrap(), b"");
    assert!(example.wait().contains(" was cut after "));
}

#[test]
fn own_loop_serves_both_its_servers() {
    let _alone = alone();
    let mut example = Example::on_port_0("own_loop");
    let mut first = example.connect();
    for word in ["one", "two"] {
        first.send(word).unwrap();
        let mut second = example.connect();
        second.send(word).unwrap();
        second.end().unwrap();
        assert_eq!(second.read_to_end().unwrap(), word.as_bytes());
        let packets = datagram_client(example.udp_address()).unwrap();
        packets.send(b"?").unwrap();
        let mut reply = [0; 100];
        let len = packets.recv(&mut reply).unwrap();
        assert!(reply[..len].starts_with(b"up for "));
    }
    first.end().unwrap();
    assert_eq!(first.read_to_end().unwrap(), b"onetwo");
    stop_without_errors(example);
}
