//! What a program has open, and what the command has open when nothing is connected. Alone in its
//! binary, for what other tests open without closing it on exec would be seen here.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::process::Command;

use common::{Serving, command};
use testkit::{Connect, datagram_client, eventually};

const MIXINS: [&str; 4] = ["synchronous", "threading", "forking", "coroutine"];

/// The numbers that `ls /proc/self/fd` writes.
fn numbers(listed: &[u8]) -> BTreeSet<i32> {
    str::from_utf8(listed).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

fn open_in(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

#[test]
fn programs_inherit_nothing_but_the_connection_and_nothing_leaks() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let inherited = rustix::io::dup(&socket).unwrap();
    let list = ["ls", "/proc/self/fd"];
    // What these tests were started with, and the folder that `ls` reads.
    let mut expected = numbers(&Command::new(list[0]).arg(list[1]).output().unwrap().stdout);
    assert!(expected.remove(&inherited.as_raw_fd()));

    let endpoint = format!("fd:{}", inherited.as_raw_fd());
    for mixin in MIXINS {
        let endpoints = [&endpoint, "tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
        let options = ["--mixin", mixin, "--"];
        let mut serving =
            Serving::start(command().args(endpoints).args(options).args(list), endpoints.len());
        let addresses = [0, 1, 2].map(|index| serving.address(index));
        let round = || {
            for address in &addresses[..2] {
                let listed = Connect::Tcp(*address).connect().unwrap().exchange("").unwrap();
                assert_eq!(numbers(&listed), expected, "{mixin}");
            }
            let client = datagram_client(addresses[2]).unwrap();
            client.send(b"").unwrap();
            let mut buffer = [0; 1000];
            let len = client.recv(&mut buffer).unwrap();
            assert_eq!(numbers(&buffer[..len]), expected, "{mixin}");
        };
        // What serves has what it needs when it has served.
        round();
        let before = open_in(serving.id());
        for _ in 0..10 {
            round();
        }
        eventually("all is closed", || open_in(serving.id()) <= before);
        eventually("no child is left", || serving.children().is_empty());
        assert_eq!(serving.stop().0, 0);
    }
}
