//! How many calls to the kernel a request costs, counted by `strace`; skipped where there is none.
//!
//! Each figure is the difference of two runs, so that what a server costs to start and to stop is
//! no part of it.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use socketserver::mixin::Backend;
use socketserver::{CoroutineTcpServer, Result, StreamRequest, handler_fn};
use testkit::{Connect, DEADLINE, Process, role};

/// So many clients at a time, each of whom has one request under way.
const BUSY: usize = 64;

/// By epoll an echo is a receive and a send. One wait is for all who are ready, and 64 are busy:
/// it is nearer to a sixty-fourth of a call than to a tenth.
const ECHO_EPOLL: f64 = 2.1;

/// By epoll a connection is an accept, a registration, a receive, a send, a receive that finds the
/// end, and a close; and a share of the waits and of the accepts that find nobody.
const CONNECTION_EPOLL: f64 = 6.3;

/// By io_uring one call submits and takes what there is, for all who are busy.
const ECHO_IO_URING: f64 = 0.06;

/// By io_uring a connection has no call of its own, but there are never as many at a time as there
/// are echoes, for clients have calls of their own to make.
const CONNECTION_IO_URING: f64 = 0.9;

fn echo_lines(request: &mut StreamRequest<'_>) -> Result {
    let StreamRequest { rfile, wfile, shutdown_handle, .. } = request;
    for line in rfile.lines() {
        let line = line?;
        if line == "quit" {
            shutdown_handle.request_shutdown();
        }
        writeln!(wfile, "{line}")?;
    }
    Ok(())
}

/// The server whose calls are counted, in a process of its own.
fn serve(backend: &str) {
    let backend: Backend = backend.parse().unwrap();
    let builder = CoroutineTcpServer::builder(handler_fn(echo_lines)).backend(backend).workers(1);
    let server = builder.bind("127.0.0.1:0").unwrap();
    println!("port {}", server.server_address().as_inet().unwrap().port());
    server.serve_forever().unwrap();
    assert!(server.server_close(Some(DEADLINE)));
}

/// What clients do, so many times in all.
type Load = fn(SocketAddr, usize);

/// Each of the clients waits for its reply, and then sends the next line.
fn echoes(server: SocketAddr, count: usize) {
    thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(move || {
                let mut client = connect(server);
                for _ in 0..count / BUSY {
                    exchange(&mut client);
                }
            });
        }
    });
}

/// Each of the clients connects, has a line echoed, closes, and connects again.
fn connections(server: SocketAddr, count: usize) {
    thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(move || {
                for _ in 0..count / BUSY {
                    exchange(&mut connect(server));
                }
            });
        }
    });
}

fn connect(server: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(server).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

fn exchange(client: &mut TcpStream) {
    client.write_all(b"hello\n").unwrap();
    io::Read::read_exact(client, &mut [0; 6]).unwrap();
}

/// All calls of a server under this load.
fn count(test: &str, backend: Backend, load: Load, times: usize) -> (u64, String) {
    let place = testkit::socket_path();
    let counted = place.folder().join("counted").display().to_string();
    let runner = ["strace", "-f", "-c", "-o", &counted];
    let mut process = Process::of_test_under(&runner, test, &backend.to_string());
    let port: u16 = process.line_after("port ").parse().unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    load(server, times);
    Connect::Tcp(server).connect().unwrap().exchange("quit\n").unwrap();
    let (status, output) = process.wait();
    assert!(status.success(), "{output}");
    let summary = std::fs::read_to_string(counted).unwrap();
    let calls = |name: &str| {
        let mut lines = summary.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = lines.find(|words| words.last() == Some(&name));
        line.map_or(0, |words| words[3].parse::<u64>().unwrap())
    };
    // With debug assertions, the standard library asks of each descriptor that it closes whether
    // it is open.
    let for_debugging = if cfg!(debug_assertions) { calls("fcntl") } else { 0 };
    (calls("total") - for_debugging, summary)
}

/// What one more costs; fails if it is more than `most`.
fn costs_no_more(test: &str, backend: Backend, load: Load, most: f64) {
    if let Some(backend) = role() {
        return serve(&backend);
    }
    let _alone = testkit::alone();
    if !is_there() {
        // Not `eprintln!`, which nobody would see.
        let _ = writeln!(io::stderr(), "SKIPPED: there is no strace here, or it may not trace");
        return;
    }
    let (few, many) = (10 * BUSY, 60 * BUSY);
    let (before, _) = count(test, backend, load, few);
    let (after, summary) = count(test, backend, load, many);
    let each = (after as f64 - before as f64) / (many - few) as f64;
    println!("{test}: {each:.3} calls each\n{summary}");
    assert!(each <= most, "{each:.3} calls each, not {most}:\n{summary}");
}

fn is_there() -> bool {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o", "/dev/null", "true"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn an_echo_by_epoll() {
    costs_no_more("an_echo_by_epoll", Backend::Epoll, echoes, ECHO_EPOLL);
}

#[test]
fn a_connection_by_epoll() {
    costs_no_more("a_connection_by_epoll", Backend::Epoll, connections, CONNECTION_EPOLL);
}

#[test]
fn an_echo_by_io_uring() {
    costs_no_more("an_echo_by_io_uring", Backend::IoUring, echoes, ECHO_IO_URING);
}

#[test]
fn a_connection_by_io_uring() {
    let test = "a_connection_by_io_uring";
    costs_no_more(test, Backend::IoUring, connections, CONNECTION_IO_URING);
}
