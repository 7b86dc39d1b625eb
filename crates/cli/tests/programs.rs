//! A program for each connection, and for each datagram.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

use common::{Serving, abstract_stream, command, unix_datagram};
use testkit::{Connect, DEADLINE, datagram_client, eventually, socket_path};

const MIXINS: [&str; 4] = ["synchronous", "threading", "forking", "coroutine"];

/// Serves with a program, and the arguments that follow it.
fn serving(endpoint: &str, mixin: &str, program: &[&str]) -> Serving {
    Serving::start(command().args([endpoint, "--mixin", mixin, "-v", "--"]).args(program), 1)
}

fn with_each_mixin(endpoint: &str, program: &[&str], test: impl Fn(&mut Serving)) {
    for mixin in MIXINS {
        let mut serving = serving(endpoint, mixin, program);
        test(&mut serving);
        eventually("no child is left, and no zombie", || serving.children().is_empty());
        let (code, output) = serving.stop();
        assert_eq!(code, 0, "{mixin}: {output}");
    }
}

/// Serves with a line of shell.
fn with_each_mixin_in_shell(endpoint: &str, line: &str, test: impl Fn(&mut Serving)) {
    with_each_mixin(endpoint, &["/bin/sh", "-c", line], test);
}

/// What a program of `env` wrote.
fn environment(output: &[u8]) -> BTreeMap<String, String> {
    let lines = str::from_utf8(output).unwrap().lines();
    lines.filter_map(|line| line.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
}

#[test]
fn the_connection_is_standard_input_and_output() {
    with_each_mixin("tcp://127.0.0.1:0", &["/bin/cat"], |serving| {
        let mut client = serving.client();
        client.send("one\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "one\n");
        assert_eq!(client.exchange("two\n").unwrap(), b"two\n");
    });
}

/// Whoever waits for a program has no thread of its own, and holds up no other.
#[test]
fn coroutines_wait_for_their_programs_at_the_same_time_on_one_thread() {
    let args = ["tcp://127.0.0.1:0", "--mixin", "coroutine", "--workers", "1", "--", "/bin/cat"];
    let mut serving = Serving::start(command().args(args), 1);
    let mut clients: Vec<_> = (0..5).map(|_| serving.client()).collect();
    for round in ["one\n", "two\n"] {
        for client in &mut clients {
            client.send(round).unwrap();
            assert_eq!(client.read_line().unwrap(), round);
        }
    }
    drop(clients);
    eventually("no child is left, and no zombie", || serving.children().is_empty());
    assert_eq!(serving.stop().0, 0);
}

#[test]
fn arguments_and_standard_error_are_handed_on() {
    with_each_mixin_in_shell("tcp://127.0.0.1:0", "echo \"$0 $1\"; echo told >&2", |serving| {
        assert_eq!(serving.client().exchange("").unwrap(), b"/bin/sh \n");
        serving.until("standard error", |output| output.contains("told\n"));
    });
}

/// What ucspi programs expect, and nothing of a server further up.
#[test]
fn the_environment_over_tcp() {
    for (endpoint, proto) in [("tcp://127.0.0.1:0", "TCP"), ("tcp://[::1]:0", "TCP6")] {
        for mixin in MIXINS {
            let mut serving = Serving::start(
                command()
                    .args([endpoint, "--mixin", mixin, "--", "/usr/bin/env"])
                    .env("TCPREMOTEHOST", "of somebody else")
                    .env("TCP6REMOTEIP", "of somebody else")
                    .env("IPCREMOTEEUID", "0")
                    .env("KEPT", "kept"),
                1,
            );
            let server = serving.address(0);
            let client = std::net::TcpStream::connect(server).unwrap();
            let own = client.local_addr().unwrap();
            let mut output = Vec::new();
            (&client).read_to_end(&mut output).unwrap();
            let variables = environment(&output);

            let mut expected = vec![("PROTO".to_owned(), proto.to_owned())];
            for prefix in ["TCP", proto] {
                for (side, address) in [("REMOTE", own), ("LOCAL", server)] {
                    expected.push((format!("{prefix}{side}IP"), address.ip().to_string()));
                    expected.push((format!("{prefix}{side}PORT"), address.port().to_string()));
                }
            }
            let ours = ["PROTO", "TCP", "UDP", "IPC"];
            let is_ours = |name: &String| ours.iter().any(|prefix| name.starts_with(prefix));
            let found: BTreeMap<_, _> =
                variables.iter().filter(|(name, _)| is_ours(name)).collect();
            assert_eq!(found, expected.iter().map(|(a, b)| (a, b)).collect(), "{mixin}");
            assert_eq!(variables["KEPT"], "kept");
        }
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_shown_as_what_it_is() {
    let mut serving = serving("tcp://[::]:0", "threading", &["env"]);
    let port = serving.address(0).port();
    let client = Connect::Tcp(([127, 0, 0, 1], port).into()).connect().unwrap();
    let variables = environment(&client.exchange("").unwrap());
    assert_eq!(variables["PROTO"], "TCP");
    assert_eq!(variables["TCPREMOTEIP"], "127.0.0.1");
    assert_eq!(variables["TCPLOCALIP"], "127.0.0.1");
}

#[test]
fn the_environment_over_unix_sockets() {
    let path = socket_path();
    with_each_mixin(&format!("unix:{}", path.display()), &["env"], |serving| {
        let variables = environment(&serving.client().exchange("").unwrap());
        assert_eq!(variables["PROTO"], "IPC");
        assert_eq!(variables["IPCLOCALPATH"], path.to_str().unwrap());
        assert_eq!(variables["IPCREMOTEPATH"], "", "a client without a name");
        assert_eq!(variables["IPCREMOTEPID"], std::process::id().to_string());
        let uid = rustix::process::getuid().as_raw().to_string();
        assert_eq!(variables["IPCREMOTEEUID"], uid);
        let gid = rustix::process::getgid().as_raw().to_string();
        assert_eq!(variables["IPCREMOTEEGID"], gid);
    });
    let name = format!("socketserver-cli-env-{}", std::process::id());
    let _serving = serving(&format!("unix:@{name}"), "threading", &["env"]);
    let mut client = abstract_stream(&name);
    client.shutdown(Shutdown::Write).unwrap();
    let mut output = Vec::new();
    client.read_to_end(&mut output).unwrap();
    assert_eq!(environment(&output)["IPCLOCALPATH"], format!("@{name}"));
}

#[test]
fn a_datagram_is_standard_input_and_the_reply_standard_output() {
    let line = "tr a-z A-Z; echo \" $PROTO $UDPREMOTEPORT $UDPLOCALIP:$UDPLOCALPORT\"";
    // Bound to all addresses, it knows to which one it was sent.
    with_each_mixin_in_shell("udp://0.0.0.0:0", line, |serving| {
        let address = SocketAddr::from(([127, 0, 0, 1], serving.address(0).port()));
        let client = datagram_client(address).unwrap();
        client.send(b"hello").unwrap();
        let mut buffer = [0; 100];
        let len = client.recv(&mut buffer).unwrap();
        let own = client.local_addr().unwrap().port();
        let reply = str::from_utf8(&buffer[..len]).unwrap();
        assert_eq!(reply, format!("HELLO UDP {own} {address}\n"));
    });
    let path = socket_path();
    with_each_mixin(&format!("unixgram:{}", path.display()), &["env"], |_| {
        let (client, own) = unix_datagram();
        client.send_to(b"", &path).unwrap();
        let mut buffer = vec![0; 65_536];
        let len = client.recv(&mut buffer).unwrap();
        let variables = environment(&buffer[..len]);
        assert_eq!(variables["PROTO"], "IPC");
        assert_eq!(variables["IPCREMOTEPATH"], own.to_str().unwrap());
        assert!(!variables.contains_key("IPCREMOTEPID"));
    });
}

/// A whole datagram goes through, even to a program that does not read it.
#[test]
fn datagrams_of_full_size() {
    with_each_mixin_in_shell(
        "udp://127.0.0.1:0",
        "case $(wc -c) in 3) echo three;; *) cat /proc/self/fd/0;; esac",
        |serving| {
            let client = datagram_client(serving.address(0)).unwrap();
            let packet = vec![b'x'; 60_000];
            let mut buffer = vec![0; 65_536];
            client.send(&packet).unwrap();
            assert_eq!(client.recv(&mut buffer).unwrap(), packet.len());
            assert_eq!(buffer[..packet.len()], packet);
        },
    );
    with_each_mixin("udp://127.0.0.1:0", &["echo", "unread"], |serving| {
        let client = datagram_client(serving.address(0)).unwrap();
        client.send(&[0; 60_000]).unwrap();
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), b"unread\n".len());
    });
}

/// Silence is silence, a failure answers nothing, and too much is a failure.
#[test]
fn a_datagram_without_a_reply() {
    let line = "read -r what; case $what in silent) ;; fail) echo no; exit 3;; \
                flood) exec cat /dev/zero;; *) echo yes;; esac";
    with_each_mixin_in_shell("udp://127.0.0.1:0", line, |serving| {
        let client = datagram_client(serving.address(0)).unwrap();
        client.send(b"silent\n").unwrap();
        serving.until("its end", |output| output.contains("finished after"));
        client.send(b"fail\n").unwrap();
        serving.until("its end", |output| {
            output.contains("failed after") && output.contains("/bin/sh ended with exit status: 3")
        });
        client.send(b"flood\n").unwrap();
        serving.until("its end", |output| output.contains("wrote more than 65536 bytes"));
        client.send(b"other\n").unwrap();
        let mut buffer = [0; 16];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"yes\n", "the only reply");
    });
}

/// The program has ended, so the client sees the end, though something still holds the connection.
#[test]
fn the_client_sees_the_end_of_the_program_though_a_grandchild_lives() {
    let line = "echo $$; sleep 60 & echo $!";
    for mixin in MIXINS {
        let mut serving = serving("tcp://127.0.0.1:0", mixin, &["/bin/sh", "-c", line]);
        let output = serving.client().exchange("").unwrap();
        let text = String::from_utf8(output).unwrap();
        let sleeping: u32 = text.lines().nth(1).unwrap().parse().unwrap();
        assert!(common::is_alive(sleeping), "it is none of our business");
        let pid = rustix::process::Pid::from_raw(sleeping as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(serving.stop().0, 0);
    }
}

/// The same for a datagram: the reply goes when the program has ended.
#[test]
fn a_reply_does_not_wait_for_a_grandchild() {
    let line = "sleep 60 & echo $!";
    for mixin in MIXINS {
        let mut serving = serving("udp://127.0.0.1:0", mixin, &["/bin/sh", "-c", line]);
        let client = datagram_client(serving.address(0)).unwrap();
        client.send(b"").unwrap();
        let mut buffer = [0; 16];
        let len = client.recv(&mut buffer).unwrap();
        let sleeping: i32 = str::from_utf8(&buffer[..len]).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(sleeping).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// B24: unread input does not turn into a reset that cuts the reply.
#[test]
fn a_reply_is_complete_though_the_program_left_input_unread() {
    // Of what comes in one go it reads one byte, so the rest is there when it ends.
    let line = "dd bs=1 count=1 of=/dev/null 2>/dev/null; head -c 100000 /dev/zero";
    with_each_mixin_in_shell("tcp://127.0.0.1:0", line, |serving| {
        let mut client = serving.client();
        client.send([0; 50_000]).unwrap();
        assert_eq!(client.read_to_end().unwrap().len(), 100_000);
    });
}

#[test]
fn a_program_that_fails_is_told_and_the_next_is_served() {
    with_each_mixin_in_shell("tcp://127.0.0.1:0", "read -r line; exit $line", |serving| {
        let failing = serving.client();
        assert_eq!(failing.exchange("7\n").unwrap(), b"");
        serving.until("it is told", |output| {
            output.contains("failed after") && output.contains("/bin/sh ended with exit status: 7")
        });
        assert_eq!(serving.client().exchange("0\n").unwrap(), b"");
        serving.until("the next", |output| output.contains("finished after"));
    });
}

/// The client has had enough: that the program is killed by SIGPIPE is no failure.
#[test]
fn a_client_that_goes_away_is_no_failure_of_the_program() {
    let path = socket_path();
    let endpoint = format!("unix:{}", path.display());
    with_each_mixin(&endpoint, &["cat", "/dev/zero"], |serving| {
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
        drop(client);
        let output = serving.until("its end", |output| output.contains(" after "));
        assert!(output.contains("finished after") && !output.contains("failed"), "{output}");
    });
}

#[test]
fn a_program_that_is_gone_is_told_for_each_connection() {
    let path = socket_path();
    let program = path.folder().join("program");
    std::fs::copy("/bin/true", &program).unwrap();
    with_each_mixin("tcp://127.0.0.1:0", &[program.to_str().unwrap()], |serving| {
        std::fs::rename(&program, path.folder().join("elsewhere")).unwrap();
        assert_eq!(serving.client().exchange("").unwrap(), b"");
        let told = format!("cannot run {}: No such file", program.display());
        serving.until("it is told", |output| output.contains(&told));
        std::fs::rename(path.folder().join("elsewhere"), &program).unwrap();
    });
}

/// Which signals a process blocks, ignores and catches, as it says of itself.
fn signals(status: &[u8]) -> [u64; 3] {
    let status = str::from_utf8(status).unwrap();
    ["SigBlk:", "SigIgn:", "SigCgt:"].map(|kind| {
        let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    })
}

/// A program starts with signals as they are by default, and not as the server or a forked child
/// needs them.
#[test]
fn signals_are_as_they_are_by_default() {
    let program = ["cat", "/proc/self/status"];
    // What these tests were started with, such as an ignored SIGHUP, is handed on.
    let without = std::process::Command::new(program[0]).arg(program[1]).output().unwrap();
    let watched = (1 << (common::SIGINT - 1)) | (1 << (common::SIGTERM - 1));
    let expected = signals(&without.stdout).map(|set| set & !watched);
    with_each_mixin("tcp://127.0.0.1:0", &program, |serving| {
        let status = serving.client().exchange("").unwrap();
        assert_eq!(signals(&status), expected);
    });
}

#[test]
fn many_connections_at_once() {
    for mixin in ["threading", "forking"] {
        let mut serving = serving("tcp://127.0.0.1:0", mixin, &["cat"]);
        let mut clients: Vec<_> = (0..20).map(|_| serving.client()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(format!("{index}\n")).unwrap();
        }
        for (index, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.read_line().unwrap(), format!("{index}\n"));
        }
        drop(clients);
        eventually("no child is left", || serving.children().is_empty());
        assert_eq!(serving.stop().0, 0);
    }
}

/// Writes go through even when the connection was handed over with data already there.
#[test]
fn input_that_came_early_is_the_programs() {
    with_each_mixin("tcp://127.0.0.1:0", &["head", "-n", "1"], |serving| {
        let address = serving.address(0);
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"first\nsecond\n").unwrap();
        let mut output = String::new();
        client.read_to_string(&mut output).unwrap();
        assert_eq!(output, "first\n");
    });
}
