//! Clients of other makes: nc, socat and Python, each where it is installed; and the examples of
//! the manual, word for word but for their ports and paths.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Serving, command, is_installed};
use testkit::{socket_path, within_deadline};

/// What a program writes for `input`.
#[track_caller]
fn exchange(program: &str, args: &[&str], input: &'static [u8]) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = within_deadline(move || {
        stdin.write_all(input).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nc() {
    if !is_installed("nc") {
        return;
    }
    let mut serving = Serving::with("tcp://127.0.0.1:0 --echo");
    let port = serving.address(0).port().to_string();
    assert_eq!(exchange("nc", &["-N", "127.0.0.1", &port], b"hello\n"), "hello\n");

    let mut serving = Serving::with("udp://127.0.0.1:0 --protocol daytime");
    let port = serving.address(0).port().to_string();
    let reply = exchange("nc", &["-u", "-w", "1", "127.0.0.1", &port], b"\n");
    assert!(reply.ends_with("-UTC\r\n"), "{reply}");

    let path = socket_path();
    let _serving = Serving::with(&format!("unix:{} -- /bin/cat", path.display()));
    let reply = exchange("nc", &["-N", "-U", path.to_str().unwrap()], b"hello\n");
    assert_eq!(reply, "hello\n");
}

#[test]
fn socat() {
    if !is_installed("socat") {
        return;
    }
    let path = socket_path();
    let unix = format!("unix:{}", path.display());
    let name = format!("socketserver-cli-socat-{}", std::process::id());
    let abstract_name = format!("unix:@{name}");
    let endpoints = ["tcp://[::1]:0", &unix, &abstract_name, "udp://127.0.0.1:0"];
    let mut serving = Serving::start(command().args(endpoints).arg("--echo"), endpoints.len());
    let tcp = format!("TCP6:[::1]:{}", serving.address(0).port());
    let connect = format!("UNIX-CONNECT:{}", path.display());
    let udp = format!("UDP:{}", serving.address(3));
    let abstract_name = format!("ABSTRACT-CONNECT:{name}");
    for address in [&tcp, &connect, &abstract_name] {
        assert_eq!(exchange("socat", &["-t", "5", "-", address], b"hello\n"), "hello\n");
    }
    assert_eq!(exchange("socat", &["-t", "0.5", "-", &udp], b"hello\n"), "hello\n");
}

/// Python sends what it inherits: a listening socket of its own as descriptor 3.
#[test]
fn python() {
    if !is_installed("python3") {
        return;
    }
    let script = "\
import os, socket, subprocess, sys
listener = socket.create_server(('127.0.0.1', 0))
os.dup2(listener.fileno(), 3)
server = subprocess.Popen([sys.argv[1], 'fd:3', '--echo'], pass_fds=[3], stderr=subprocess.PIPE)
try:
    where = server.stderr.readline().decode().split()[-1]
    assert where == 'tcp://127.0.0.1:%d' % listener.getsockname()[1], where
    client = socket.create_connection(listener.getsockname(), timeout=5)
    client.sendall(b'hello')
    client.shutdown(socket.SHUT_WR)
    print(client.makefile().read())
finally:
    server.terminate()
    print(server.wait(5))
";
    let binary = env!("CARGO_BIN_EXE_socketserver");
    assert_eq!(exchange("python3", &["-c", script, binary], b""), "hello\n0\n");
}

/// The four examples.
#[test]
fn the_examples_serve() {
    let mut echo = Serving::with("tcp://127.0.0.1:0 --echo");
    assert_eq!(echo.client().exchange("hello").unwrap(), b"hello");

    let mut cat = Serving::with("tcp://[::]:0 --mixin threading --max 200 -- /bin/cat");
    let port = cat.address(0).port();
    let client = testkit::Connect::Tcp(([127, 0, 0, 1], port).into()).connect().unwrap();
    assert_eq!(client.exchange("hello").unwrap(), b"hello");

    let mut daytime = Serving::with("udp://127.0.0.1:0 --protocol daytime");
    let client = testkit::datagram_client(daytime.address(0)).unwrap();
    client.send(b"").unwrap();
    assert!(client.recv(&mut [0; 100]).unwrap() > 20);

    let path = socket_path();
    let handler = path.folder().join("handler");
    std::fs::write(&handler, "#!/bin/sh\necho \"$1\"; exec cat\n").unwrap();
    let mut permissions = handler.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&handler, permissions).unwrap();
    let mut command = command();
    command.current_dir(path.folder());
    command.args(["unix:app.sock?mode=660", "--mixin", "forking", "--", "./handler", "--flag"]);
    let _handler = Serving::start(&mut command, 1);
    let client = testkit::Connect::Unix(path.folder().join("app.sock")).connect().unwrap();
    assert_eq!(client.exchange("hello\n").unwrap(), b"--flag\nhello\n");
}
