//! How many are served at a time, what those get who come later, and that waiting costs nothing.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::time::Duration;

use common::{Serving, command};
use testkit::{Connect, DEADLINE, datagram_client, eventually};

/// How long the processors have worked for a process, in ticks of a hundredth of a second.
fn cpu_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// B8: at the limit, later clients wait in the kernel's queue, and are served when there is
/// room; the other endpoints are served meanwhile.
#[test]
fn a_full_endpoint_lets_clients_wait_and_does_not_spin() {
    for (mixin, options) in [
        ("synchronous", &[][..]),
        ("threading", &["--max", "2"]),
        ("forking", &["--max", "2"]),
        ("coroutine", &["--max", "2", "--workers", "2"]),
    ] {
        let endpoints = ["tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
        let mut serving = Serving::start(
            command().args(endpoints).args(["--mixin", mixin, "--echo"]).args(options),
            endpoints.len(),
        );
        let most = if mixin == "synchronous" { 1 } else { 2 };
        let mut open: Vec<_> = (0..most).map(|_| serving.client()).collect();
        for client in &mut open {
            client.send("first\n").unwrap();
            assert_eq!(client.read_line().unwrap(), "first\n", "{mixin}");
        }
        // They are connected and have sent something; nobody serves them yet.
        let mut waiting: Vec<_> = (0..3).map(|_| serving.client()).collect();
        for client in &mut waiting {
            client.send("later\n").unwrap();
        }
        // The endpoint beside it has room of its own.
        let beside = Connect::Tcp(serving.address(1)).connect().unwrap();
        assert_eq!(beside.exchange("beside\n").unwrap(), b"beside\n", "{mixin}");
        let datagram = datagram_client(serving.address(2)).unwrap();
        datagram.send(b"beside").unwrap();
        assert_eq!(datagram.recv(&mut [0; 16]).unwrap(), 6, "{mixin}");
        eventually("the child beside it has ended", || {
            mixin != "forking" || serving.children().len() == most
        });

        // A loop that spins would work all the while.
        let before = cpu_ticks(serving.id());
        std::thread::sleep(Duration::from_millis(300));
        let worked = cpu_ticks(serving.id()) - before;
        assert!(worked <= 5, "{mixin}: {worked} hundredths of a second of 30");

        // One leaves, and one of those who wait takes its place; and so on.
        for client in open {
            assert_eq!(client.exchange("").unwrap(), b"", "{mixin}");
        }
        for mut client in waiting {
            assert_eq!(client.read_line().unwrap(), "later\n", "{mixin}");
            assert_eq!(client.exchange("").unwrap(), b"", "{mixin}");
        }
        eventually("no child is left", || serving.children().is_empty());
        assert_eq!(serving.stop().0, 0, "{mixin}");
    }
}

/// There is never more than one program at a time, whoever comes.
#[test]
fn max_is_the_most_programs_at_a_time() {
    for mixin in ["threading", "forking", "coroutine"] {
        let args = ["tcp://127.0.0.1:0", "--mixin", mixin, "--max", "3", "--", "cat"];
        let mut serving = Serving::start(command().args(args), 1);
        let address = serving.address(0);
        let clients: Vec<_> = (0..12)
            .map(|index: u32| {
                let client = Connect::Tcp(address).connect().unwrap();
                std::thread::spawn(move || client.exchange(index.to_string()).unwrap())
            })
            .collect();
        let mut most = 0;
        let begun = std::time::Instant::now();
        while clients.iter().any(|client| !client.is_finished()) {
            assert!(begun.elapsed() < DEADLINE);
            most = most.max(serving.children().len());
            std::thread::yield_now();
        }
        assert!(most <= 3, "{mixin}: {most}");
        for (index, client) in clients.into_iter().enumerate() {
            assert_eq!(client.join().unwrap(), index.to_string().into_bytes(), "{mixin}");
        }
    }
}

/// B5: out of descriptors, it says so now and then, goes on, and does not spin.
#[test]
fn out_of_descriptors_it_goes_on() {
    for (mixin, endpoints) in [
        ("threading", &["tcp://127.0.0.1:0"; 2][..]),
        ("forking", &["tcp://127.0.0.1:0"; 2]),
        // One, for another would want threads of its own, when there are no descriptors left.
        ("coroutine --workers 1 --backend epoll", &["tcp://127.0.0.1:0"]),
    ] {
        // Enough for itself and a few connections.
        let command_line = "ulimit -n 24; exec \"$@\"";
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", command_line, "sh", env!("CARGO_BIN_EXE_socketserver")]);
        command.args(endpoints).args(["--echo", "--mixin"]).args(mixin.split(' '));
        let mut serving = Serving::start(&mut command, endpoints.len());
        let mut clients: Vec<_> = (0..40).map(|_| serving.client()).collect();
        // Each is served, or told by an end that it is not.
        let mut served = 0;
        for client in &mut clients {
            if client.send("hello\n").is_ok()
                && client.read_line().is_ok_and(|line| line == "hello\n")
            {
                served += 1;
            }
        }
        assert!((1..40).contains(&served), "{mixin}: {served}");
        // Either it could not be accepted, or there was nothing left to fork with.
        serving.until("it is told", |output| output.contains("Too many open files"));
        drop(clients);
        eventually("it serves again", || {
            serving.client().exchange("again").is_ok_and(|reply| reply == b"again")
        });
        let (code, output) = serving.stop();
        assert_eq!(code, 0, "{mixin}: {output}");
        let told = output.matches("cannot take a client").count();
        assert!(told < 20, "{mixin}: told {told} times");
    }
}
