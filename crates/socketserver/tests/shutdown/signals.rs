//! Signals, in a process of their own: the first stops, the second forces, the third kills.

use std::io::{BufRead, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use socketserver::mixin::MixIn;
use socketserver::transport::Tcp;
use socketserver::{
    ForkingTcpServer, Pending, Result, Server, StreamRequest, TcpServer, ThreadingTcpServer,
    handler_fn,
};
use testkit::{Client, Connect, Process};

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Tells the process that it runs in, and then answers each line; `stay` runs until the process
/// ends, whatever is done to its connection.
fn converse(request: &mut StreamRequest<'_>) -> Result {
    let StreamRequest { rfile, wfile, .. } = request;
    writeln!(wfile, "{}", std::process::id())?;
    let mut line = String::new();
    loop {
        line.clear();
        match rfile.read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(_) if line.trim_end() == "stay" => break,
            Ok(_) => write!(wfile, "{line}")?,
            Err(error) => {
                say(&format!("handler saw: {error}"));
                return Ok(());
            }
        }
    }
    writeln!(wfile, "staying")?;
    testkit::eventually("the cut", || request.is_cut());
    say("handler saw: its cut");
    // Longer than the test waits.
    std::thread::sleep(3 * testkit::DEADLINE);
    Ok(())
}

/// Tells the test.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").unwrap();
    stdout.flush().unwrap();
}

/// What the process does: serve until signalled, then wait for its requests.
fn run<M: MixIn<Pending<Tcp, ()>>, H>(server: &Server<Tcp, M, H>) {
    let guard = server.shutdown_handle().on_signals().unwrap();
    say(&format!("serving at {}", server.server_address()));
    server.serve_forever().unwrap();
    say("loop ended");
    let report = server.drain(None);
    say(&format!("cut {} of which {} run", report.cut.len(), report.unfinished));
    drop(guard);
}

/// The process that serves, if this is it.
fn is_the_server(role: &str) -> bool {
    match role {
        "synchronous" => run(&TcpServer::bind("127.0.0.1:0", handler_fn(converse)).unwrap()),
        "threading" => run(&ThreadingTcpServer::bind("127.0.0.1:0", handler_fn(converse)).unwrap()),
        "forking" => {
            let builder = ForkingTcpServer::builder(handler_fn(converse)).allow_threads(true);
            run(&builder.bind("127.0.0.1:0").unwrap());
        }
        _ => return false,
    }
    true
}

/// A server in a process of its own.
struct Served {
    process: Process,
    address: Connect,
}

impl Served {
    /// In the process that is started, `test` must call [`is_the_server`].
    fn start(test: &str, role: &str) -> Self {
        let mut process = Process::of_test(&format!("signals::{test}"), role);
        let address = Connect::Tcp(process.line_after("serving at ").parse().unwrap());
        Self { process, address }
    }

    /// A client whose handler runs, and the process that it runs in.
    fn client(&self) -> (Client, i32) {
        let mut client = self.address.connect().unwrap();
        let process = client.read_line().unwrap().trim_end().parse().unwrap();
        (client, process)
    }

    fn ended(self) -> (ExitStatus, String) {
        self.process.wait()
    }
}

macro_rules! server_or_test {
    () => {
        let _alone = testkit::alone();
        if testkit::role().is_some_and(|role| is_the_server(&role)) {
            return;
        }
    };
}

/// A33, B2: in Python, a `shutdown` in a signal handler deadlocks.
#[test]
fn a_signal_stops_an_idle_server() {
    server_or_test!();
    for role in ["synchronous", "threading", "forking"] {
        for signal in [SIGINT, SIGTERM] {
            let server = Served::start("a_signal_stops_an_idle_server", role);
            server.process.signal(signal);
            let (status, output) = server.ended();
            assert!(status.success(), "{status} {output}");
            assert!(output.contains("loop ended\ncut 0 of which 0 run\n"), "{output}");
        }
    }
}

/// A29: the request that runs ends by itself.
#[test]
fn a_signal_lets_requests_end() {
    server_or_test!();
    for role in ["threading", "forking"] {
        let mut server = Served::start("a_signal_lets_requests_end", role);
        let (mut client, _) = server.client();
        server.process.signal(SIGTERM);
        server.process.line_after("loop ended");
        client.send("still there?\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "still there?\n");
        drop(client);
        let (status, output) = server.ended();
        assert!(status.success(), "{status} {output}");
        assert!(output.contains("cut 0 of which 0 run\n"), "{output}");
    }
}

/// B11: the second signal ends the wait for a thread, whose handler sees it.
#[test]
fn a_second_signal_cuts_the_requests_of_threads() {
    server_or_test!();
    let test = "a_second_signal_cuts_the_requests_of_threads";
    let mut server = Served::start(test, "threading");
    let (mut client, _) = server.client();
    server.process.signal(SIGTERM);
    server.process.line_after("loop ended");
    assert!(server.process.is_running(), "it waits for the client");
    server.process.signal(SIGINT);
    assert_eq!(client.read_to_end().unwrap(), b"", "the connection is cut");
    let (status, output) = server.ended();
    assert!(status.success(), "{status} {output}");
    assert!(output.contains("handler saw: the server was closed"), "{output}");
    assert!(output.contains("cut 1 of which 0 run\n"), "{output}");
}

/// B20: and for a child, which gets a SIGTERM of its own.
#[test]
fn a_second_signal_cuts_the_requests_of_children() {
    server_or_test!();
    let test = "a_second_signal_cuts_the_requests_of_children";
    let mut server = Served::start(test, "forking");
    let (mut client, child) = server.client();
    assert_ne!(child, i32::try_from(server.process.id()).unwrap());
    server.process.signal(SIGTERM);
    server.process.line_after("loop ended");
    assert!(server.process.is_running(), "it waits for the child");
    server.process.signal(SIGTERM);
    assert_eq!(client.read_to_end().unwrap(), b"", "the connection is cut");
    let (status, output) = server.ended();
    assert!(status.success(), "{status} {output}");
    assert!(output.contains("cut 1 of which 0 run\n"), "{output}");
}

/// B11: whatever a handler does, the third signal ends the process.
#[test]
fn a_third_signal_kills() {
    server_or_test!();
    let mut server = Served::start("a_third_signal_kills", "threading");
    let (mut client, _) = server.client();
    client.send("stay\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "staying\n");
    server.process.signal(SIGTERM);
    server.process.line_after("loop ended");
    server.process.signal(SIGINT);
    server.process.line_after("handler saw: its cut");
    server.process.signal(SIGTERM);
    let (status, output) = server.ended();
    assert_eq!(status.signal(), Some(SIGTERM), "{status} {output}");
}

/// B19: SIGINT, which a terminal sends to all, is the parent's to answer; SIGTERM ends the child
/// that it is sent to, and no other process.
#[test]
fn a_child_leaves_sigint_to_its_parent_and_dies_of_sigterm() {
    server_or_test!();
    let test = "a_child_leaves_sigint_to_its_parent_and_dies_of_sigterm";
    let server = Served::start(test, "forking");
    let (mut client, child) = server.client();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::INT).unwrap();
    client.send("still there?\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "still there?\n");
    rustix::process::kill_process(child, rustix::process::Signal::TERM).unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    let (client, _) = server.client();
    drop(client);
    server.process.signal(SIGTERM);
    let (status, output) = server.ended();
    assert!(status.success(), "{status} {output}");
}

/// A31: a signal that comes before the loop is kept for it.
#[test]
fn a_signal_before_the_loop_is_kept_for_it() {
    let _alone = testkit::alone();
    if testkit::role().is_some() {
        let server = TcpServer::bind("127.0.0.1:0", handler_fn(converse)).unwrap();
        let handle = server.shutdown_handle();
        let guard = handle.on_signals().unwrap();
        say("watching");
        testkit::eventually("a signal", || handle.is_requested());
        server.serve_forever().unwrap();
        say("loop ended");
        drop(guard);
        // With nobody watching any more, this kills.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .unwrap();
        return;
    }
    let mut process = Process::of_test("signals::a_signal_before_the_loop_is_kept_for_it", "any");
    process.line_after("watching");
    process.signal(SIGTERM);
    process.line_after("loop ended");
    let (status, output) = process.wait();
    assert_eq!(status.signal(), Some(SIGTERM), "{status} {output}");
}
