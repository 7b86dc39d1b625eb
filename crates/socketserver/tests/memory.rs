//! What a silent connection of a coroutine server costs in memory (the server's own; what the
//! kernel keeps for a socket is apart).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socketserver::mixin::{Backend, Coroutine};
use socketserver::{CoroutineTcpServer, HandlerFn, StreamRequest};
use testkit::{DEADLINE, Process, alone, role};

/// Enough that what does not grow with them hardly counts.
const CONNECTIONS: usize = 4000;

/// The most that one may take, in bytes: awake, its stack has one page. In io_uring each has an
/// operation in flight, which is noted too.
const AWAKE: usize = 4400 * 1024 / 1000;
const AWAKE_IN_IO_URING: usize = 4550 * 1024 / 1000;
const HIBERNATED: usize = 1700 * 1024 / 1000;

#[test]
fn a_silent_connection_takes_little_more_than_a_page() {
    let name = "a_silent_connection_takes_little_more_than_a_page";
    silent_connections(name, Backend::Epoll, None, AWAKE);
}

#[test]
fn a_silent_connection_in_io_uring_takes_little_more_than_a_page() {
    let name = "a_silent_connection_in_io_uring_takes_little_more_than_a_page";
    silent_connections(name, Backend::Auto, None, AWAKE_IN_IO_URING);
}

#[test]
fn a_silent_connection_that_hibernates_takes_less_than_half_a_page() {
    let name = "a_silent_connection_that_hibernates_takes_less_than_half_a_page";
    let after = Duration::from_millis(300);
    silent_connections(name, Backend::Auto, Some(after), HIBERNATED);
}

/// Counts what `CONNECTIONS` take that have had one line echoed and wait for the next.
fn silent_connections(
    name: &str,
    backend: Backend,
    hibernate_after: Option<Duration>,
    most: usize,
) {
    if role().is_some() {
        return serve(backend, hibernate_after);
    }
    if cfg!(debug_assertions) {
        println!("skipped: frames are several times as large without optimisation");
        return;
    }
    let count = std::env::var("CONNECTIONS").map_or(CONNECTIONS, |count| count.parse().unwrap());
    let _alone = alone();
    let mut server = Process::of_test(name, "server");
    let address: SocketAddr = server.line_after("serving at ").trim().parse().unwrap();
    // What does not grow with them is not counted, such as the buffers of a worker.
    let some: Vec<_> = (0..8).map(|_| echo(address)).collect();
    for _ in 0..1000 {
        some.iter().for_each(echo_on);
    }
    drop(some);
    let before = Memory::of(server.id());
    let clients: Vec<_> = (0..count).map(|_| echo(address)).collect();
    let begun = Instant::now();
    let per_connection = loop {
        let now = Memory::of(server.id());
        let anonymous = (now.anonymous - before.anonymous) / count;
        let page_tables = now.page_tables.saturating_sub(before.page_tables) / count;
        if anonymous <= most || begun.elapsed() > DEADLINE {
            println!("{anonymous} bytes and {page_tables} of page tables for each of {count}");
            break anonymous;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(per_connection <= most, "{per_connection} bytes for each connection");
    // All of them are alive.
    for client in &clients {
        echo_on(client);
    }
}

fn echo(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    echo_on(&client);
    client
}

fn echo_on(client: &TcpStream) {
    (&*client).write_all(b"a line of text\n").unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, client).read_line(&mut line).unwrap();
    assert_eq!(line, "a line of text\n");
}

fn serve(backend: Backend, hibernate_after: Option<Duration>) {
    let mut mixin = Coroutine::default();
    mixin.backend = backend;
    mixin.hibernate_after = hibernate_after;
    let handler = |request: &mut StreamRequest<'_>| {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    };
    let server = CoroutineTcpServer::builder(move || HandlerFn::new(handler))
        .mixin(mixin)
        .bind("127.0.0.1:0")
        .unwrap();
    println!("serving at {}", server.server_address());
    server.serve_forever().unwrap();
}

/// What a process has, in bytes.
struct Memory {
    anonymous: usize,
    page_tables: usize,
}

impl Memory {
    fn of(process: u32) -> Self {
        let read = |file: &str, line: &str| {
            let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
            let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
            found.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
        };
        Self {
            anonymous: read("smaps_rollup", "Anonymous:"),
            page_tables: read("status", "VmPTE:"),
        }
    }
}
