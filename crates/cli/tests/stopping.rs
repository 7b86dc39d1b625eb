//! How the command stops: it drains, a second signal cuts, a third kills; and what it exits with.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::time::{Duration, Instant};

use common::{SIGINT, SIGTERM, Serving, command, is_alive};
use rustix::process::{Pid, Signal, kill_process_group};
use testkit::{Client, Connect, datagram_client, eventually, socket_path};

const MIXINS: [&str; 4] = ["synchronous", "threading", "forking", "coroutine"];

/// Serves on TCP with one line of shell per connection.
fn in_shell(mixin: &str, drain: &str, line: &str) -> Serving {
    let args = ["tcp://127.0.0.1:0", "--mixin", mixin, "--drain", drain, "--", "/bin/sh", "-c"];
    Serving::start(command().args(args).arg(line), 1)
}

/// A client whose service has begun, of which it reads the first line.
fn first_line(serving: &mut Serving) -> (Client, String) {
    let mut client = serving.client();
    let line = client.read_line().unwrap();
    (client, line.trim().to_owned())
}

#[test]
fn an_idle_server_stops_at_once() {
    for mixin in MIXINS {
        for signal in [SIGINT, SIGTERM] {
            let args = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "--echo", "--mixin", mixin];
            let serving = Serving::start(command().args(args), 2);
            serving.signal(signal);
            let (status, output) = serving.wait();
            assert_eq!(status.code(), Some(0), "{output}");
            assert!(output.contains("stopping; nothing is open"), "{output}");
            assert!(output.contains("0 finished, 0 cut"), "{output}");
        }
    }
}

#[test]
fn what_is_open_comes_to_its_end_while_nobody_new_is_taken() {
    for mixin in MIXINS {
        let path = socket_path();
        let unix = format!("unix:{}", path.display());
        let args = ["tcp://127.0.0.1:0", &unix, "--mixin", mixin, "--", "cat"];
        let mut serving = Serving::start(command().args(args), 2);
        let address = serving.address(0);
        let mut clients = [serving.client(), Connect::Unix(path.to_path_buf()).connect().unwrap()];
        for client in &mut clients {
            client.send("before\n").unwrap();
            assert_eq!(client.read_line().unwrap(), "before\n");
        }
        serving.signal(SIGTERM);
        serving.until("it drains", |output| output.contains("stopping; 2 open"));
        eventually("the port is free", || Connect::Tcp(address).connect().is_err());
        eventually("the path is gone", || !path.exists());
        assert!(serving.is_running());
        for client in clients {
            assert_eq!(client.exchange("after\n").unwrap(), b"after\n", "{mixin}");
        }
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(0), "{mixin}: {output}");
        assert!(output.contains("2 finished, 0 cut"), "{mixin}: {output}");
    }
}

/// At the deadline the client sees the end, and the command says that it was cut.
#[test]
fn the_deadline_cuts() {
    for mixin in MIXINS {
        for service in ["--echo", "--protocol=chargen"] {
            let args = ["tcp://127.0.0.1:0", "--drain", "50ms", "--mixin", mixin, service];
            let mut serving = Serving::start(command().args(args), 1);
            let mut client = serving.client();
            if service == "--echo" {
                client.send("hello\n").unwrap();
            }
            assert!(!client.read_line().unwrap().is_empty());
            serving.signal(SIGTERM);
            let (status, output) = serving.wait();
            assert_eq!(status.code(), Some(1), "{mixin} {service}: {output}");
            assert!(output.contains(" cut after ") && output.contains("1 cut"), "{output}");
            // Its end, or a reset: what it does not read is lost when it is cut.
            let _ = client.read_to_end();
        }
    }
}

/// A program that heeds SIGTERM has half a second for it.
#[test]
fn a_program_that_is_cut_gets_sigterm() {
    for mixin in MIXINS {
        let line = "trap 'echo told >&2; exit 0' TERM; echo $$; while :; do sleep 0.01; done";
        let mut serving = in_shell(mixin, "0s", line);
        let (_client, pid) = first_line(&mut serving);
        serving.signal(SIGTERM);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(1), "{mixin}: {output}");
        assert!(output.contains("told\n"), "{mixin}: {output}");
        assert!(!is_alive(pid.parse().unwrap()), "{mixin}");
    }
}

/// One that does not heed it gets SIGKILL, with all that it has started.
#[test]
fn a_program_that_is_cut_gets_sigkill_with_all_of_its_group() {
    for mixin in MIXINS {
        let line = "trap '' TERM; sleep 60 & echo $$ $!; wait";
        let mut serving = in_shell(mixin, "0s", line);
        let (_client, pids) = first_line(&mut serving);
        serving.signal(SIGTERM);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(1), "{mixin}: {output}");
        assert!(output.contains("1 cut") && !output.contains("could not"), "{mixin}: {output}");
        for pid in pids.split(' ') {
            eventually("it is gone", || !is_alive(pid.parse().unwrap()));
        }
    }
}

/// The same for the program of a datagram, which has no connection that could be shut down.
#[test]
fn the_program_of_a_datagram_is_cut_too() {
    for mixin in MIXINS {
        let args = ["udp://127.0.0.1:0", "--drain", "0s", "--mixin", mixin, "--", "/bin/sh", "-c"];
        let line = "echo $$ >&2; exec sleep 60";
        let mut serving = Serving::start(command().args(args).arg(line), 1);
        datagram_client(serving.address(0)).unwrap().send(b"").unwrap();
        let output = serving.until("it runs", |output| output.lines().count() == 2);
        let pid = output.lines().nth(1).unwrap().parse().unwrap();
        serving.signal(SIGTERM);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(1), "{mixin}: {output}");
        assert!(!is_alive(pid), "{mixin}");
    }
}

#[test]
fn a_second_signal_cuts() {
    for mixin in MIXINS {
        let args = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "--mixin", mixin, "--", "cat"];
        let mut serving = Serving::start(command().args(args), 2);
        let mut client = serving.client();
        client.send("hello\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "hello\n");
        serving.signal(SIGTERM);
        serving.until("it drains", |output| output.contains("stopping; 1 open"));
        serving.signal(SIGINT);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(1), "{mixin}: {output}");
        assert!(output.contains("0 finished, 1 cut"), "{mixin}: {output}");
    }
}

/// Whatever it still waits for.
#[test]
fn a_third_signal_kills() {
    for mixin in MIXINS {
        // Half a second goes by before a program that ignores SIGTERM is gone.
        let mut serving = in_shell(mixin, "30s", "trap '' TERM; echo $$; sleep 60");
        let (_client, pid) = first_line(&mut serving);
        serving.signal(SIGTERM);
        serving.until("it drains", |output| output.contains("stopping; 1 open"));
        serving.signal(SIGTERM);
        serving.until("it cuts", |output| output.contains(" cut after "));
        serving.signal(SIGTERM);
        let (status, output) = serving.wait();
        assert_eq!(status.signal(), Some(SIGTERM), "{mixin}: {output}");
        // It was left with what it had ignored; nobody else ends it now.
        let group = Pid::from_raw(pid.parse().unwrap()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Ctrl-C in a terminal goes to the whole foreground group: the server drains, and programs and
/// forked children go on.
#[test]
fn an_interrupt_from_the_terminal_ends_no_program() {
    for mixin in MIXINS {
        let mut command = command();
        command.args(["tcp://127.0.0.1:0", "--mixin", mixin, "--", "cat"]).process_group(0);
        let mut serving = Serving::start(&mut command, 1);
        let mut client = serving.client();
        client.send("before\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "before\n");
        let group = Pid::from_raw(serving.id() as i32).unwrap();
        kill_process_group(group, Signal::INT).unwrap();
        serving.until("it drains", |output| output.contains("stopping; 1 open"));
        client.send("after\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "after\n", "{mixin}");
        drop(client);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(0), "{mixin}: {output}");
    }
}

/// All endpoints drain at a time, not one after the other: each may take as long as the deadline.
#[test]
fn the_deadline_is_for_all_endpoints_together() {
    for mixin in MIXINS {
        let endpoints = ["tcp://127.0.0.1:0"; 4];
        let options = ["--drain", "600ms", "--mixin", mixin, "--echo"];
        let mut serving = Serving::start(command().args(endpoints).args(options), 4);
        let mut clients: Vec<_> =
            (0..4).map(|index| Connect::Tcp(serving.address(index)).connect().unwrap()).collect();
        for client in &mut clients {
            client.send("hello\n").unwrap();
            client.read_line().unwrap();
        }
        let begun = Instant::now();
        serving.signal(SIGTERM);
        let (status, output) = serving.wait();
        assert_eq!(status.code(), Some(1), "{mixin}: {output}");
        assert!(output.contains("0 finished, 4 cut"), "{mixin}: {output}");
        assert!(begun.elapsed() >= Duration::from_millis(600));
        // One after the other would be 2.4 seconds at the least.
        assert!(begun.elapsed() < Duration::from_millis(2400), "{:?}", begun.elapsed());
    }
}

/// A child of one endpoint does not keep the port of another taken.
#[test]
fn a_forked_child_gives_up_the_sockets_of_all_endpoints() {
    let args = ["tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
    let mut serving =
        Serving::start(command().args(args).args(["--mixin", "forking", "--echo"]), 3);
    let addresses = [0, 1].map(|index| serving.address(index));
    let udp = serving.address(2);
    let mut client = serving.client();
    client.send("hello\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "hello\n");
    serving.signal(SIGTERM);
    serving.until("it drains", |output| output.contains("stopping; 1 open"));
    eventually("the ports are free", || {
        addresses.iter().all(|address| std::net::TcpListener::bind(address).is_ok())
            && std::net::UdpSocket::bind(udp).is_ok()
    });
    drop(client);
    assert_eq!(serving.wait().0.code(), Some(0));
}
