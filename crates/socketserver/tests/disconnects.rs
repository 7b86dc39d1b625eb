//! Clients that go away: told apart from faults, and not printed as such.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;
mod noting;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Pair;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGPIPE;
use socketserver::observe::Event;
use socketserver::transport::Stream;
use socketserver::{
    BaseRequest, BaseRequestHandler, Outcome, Result, StreamRequest, StreamRequestHandler,
    TcpServer, ThreadingTcpServer, UnixStreamServer, handler_fn,
};
use testkit::{DEADLINE, Gate, Trace, alone, socket_path};

use crate::common::{EpollTcpServer, IoUringTcpServer};
use crate::noting::{Noting, apart, connect, run_apart, stop};

type Request<'a> = StreamRequest<'a, Noting>;

fn reads(request: &mut Request<'_>) -> Result {
    request.rfile.read_exactly(1)?;
    Ok(())
}

/// Writes until it cannot.
fn writes(request: &mut Request<'_>) -> Result {
    loop {
        request.wfile.write_all(&[b'x'; 1024])?;
    }
}

/// What is told of a request whose client has reset its connection before the handler runs.
fn told_of_reset(
    handle: impl Fn(&mut Request<'_>) -> Result + Clone + Send + Sync + 'static,
) -> Vec<String> {
    let noting = Noting::default();
    let builder = TcpServer::builder(handler_fn(handle)).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    connect(server.server_address()).reset().unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    noting.trace.texts()
}

/// B26: in Python, tracebacks.
#[test]
fn a_client_that_has_reset_is_told_as_a_disconnect() {
    let _alone = alone();
    let reset = "disconnect: client went away: Connection reset by peer (os error 104)";
    assert_eq!(told_of_reset(reads), [reset]);
    assert_eq!(told_of_reset(writes), [reset]);
    let both = |request: &mut Request<'_>| {
        assert_eq!(reads(request).unwrap_err().to_string(), reset[12..]);
        writes(request)
    };
    let broken = "disconnect: client went away: Broken pipe (os error 32)";
    assert_eq!(told_of_reset(both), [broken]);
}

/// B26: the kind is still that of the system's error, for handlers that look.
#[test]
fn the_error_of_a_disconnect_keeps_its_kind() {
    let _alone = alone();
    let looks = |request: &mut Request<'_>| -> Result {
        let kind = request.rfile.read(&mut [0]).unwrap_err().kind();
        request.server.trace.note(format!("{kind:?}"));
        let kind = request.wfile.write(b"x").unwrap_err().kind();
        request.server.trace.note(format!("{kind:?}"));
        Ok(())
    };
    assert_eq!(told_of_reset(looks), ["ConnectionReset", "BrokenPipe"]);
}

/// B26: while the handler waits for it, on the server's thread or another.
#[test]
fn a_client_that_resets_in_the_middle_is_told_as_a_disconnect_and_the_next_is_served() {
    let _alone = alone();
    let echoes = |request: &mut Request<'_>| -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    };
    macro_rules! check {
        ($alias:ident) => {
            let noting = Noting::default();
            let builder = $alias::builder(handler_fn(echoes)).server(noting.clone());
            let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
            let mut client = connect(server.server_address());
            client.send("one\nha").unwrap();
            assert_eq!(client.read_line().unwrap(), "one\n");
            client.reset().unwrap();
            noting.trace.wait_for("disconnect: client went away: Connection reset");
            let reply = connect(server.server_address()).exchange("two\n").unwrap();
            assert_eq!(reply, b"two\n");
            stop(server);
            assert_eq!(noting.trace.texts().len(), 1);
        };
    }
    check!(TcpServer);
    check!(ThreadingTcpServer);
    check!(EpollTcpServer);
    check!(IoUringTcpServer);
}

/// B26: an end in the middle of a message. An end between lines is none.
#[test]
fn an_end_in_the_middle_of_a_message_is_told_as_a_disconnect() {
    let _alone = alone();
    let reads_message = |request: &mut Request<'_>| -> Result {
        let length = request.rfile.read_prefixed(socketserver::Prefix::U8, 255)?.len();
        Ok(write!(request.wfile, "{length}")?)
    };
    let noting = Noting::default();
    let builder = TcpServer::builder(handler_fn(reads_message)).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    for (input, reply) in [("\x03abc", "3"), ("\x03ab", ""), ("", "")] {
        let got = connect(server.server_address()).exchange(input).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), reply);
    }
    stop(server);
    let told = "disconnect: client went away: the client ended in the middle of a message";
    assert_eq!(noting.trace.texts(), [told, told]);
}

/// B26: over a Unix socket, which knows no reset, and where the end comes at once.
#[test]
fn a_unix_client_that_is_gone_is_told_as_a_disconnect() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let builder = UnixStreamServer::builder(handler_fn(writes)).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind(&path).unwrap();
    drop(connect(server.server_address()));
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    let told = noting.trace.texts();
    assert_eq!(told, ["disconnect: client went away: Broken pipe (os error 32)"]);
}

/// A94: not even where a program has undone what Rust does at its start, which is to ignore it.
#[test]
fn no_sigpipe_is_ever_raised() {
    let _alone = alone();
    let raised = Arc::new(AtomicBool::new(false));
    let id = signal_hook::flag::register(SIGPIPE, Arc::clone(&raised)).unwrap();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let noting = Noting::default();
            let builder = $alias::builder(handler_fn(writes)).server(noting.clone());
            let server = builder.timeout(DEADLINE).bind($address).unwrap();
            drop(connect(server.server_address()));
            server.handle_request().unwrap();
            assert_eq!(noting.trace.count("disconnect"), 1);
            assert!(!raised.load(Ordering::SeqCst), "by a {}", stringify!($alias));
        };
    }
    check!(TcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
    // As a plain write does.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(rustix::io::write(&writer, b"x").is_err() && raised.load(Ordering::SeqCst));
    signal_hook::low_level::unregister(id);
}

/// An error with another for its cause.
#[derive(Debug)]
struct Because(io::Error);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Because {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// B26: handlers and the crates that they use wrap errors in their own.
#[test]
fn a_disconnect_is_told_through_the_errors_that_it_is_wrapped_in() {
    let _alone = alone();
    fn read(request: &mut Request<'_>) -> io::Error {
        request.rfile.read_exactly(1).unwrap_err()
    }
    let other =
        move |request: &mut Request<'_>| -> Result { Err(io::Error::other(read(request)))? };
    let cause = move |request: &mut Request<'_>| -> Result { Err(Because(read(request)))? };
    let both = move |request: &mut Request<'_>| -> Result {
        Err(Because(io::Error::other(Because(io::Error::other(read(request))))))?
    };
    assert!(told_of_reset(other)[0].starts_with("disconnect: "));
    assert_eq!(told_of_reset(cause), ["disconnect: wrapped"]);
    assert_eq!(told_of_reset(both), ["disconnect: wrapped"]);
}

/// B26: a pipe of the handler's own that breaks, to a database say, is a fault, though its error
/// is the same.
#[test]
fn a_broken_pipe_of_the_handlers_own_is_a_fault() {
    let _alone = alone();
    let breaks = |_: &mut Request<'_>| -> Result {
        let (mut ours, theirs) = Pair::pair()?;
        drop(theirs);
        Ok(ours.write_all(b"query")?)
    };
    assert_eq!(told_of_reset(breaks), ["error: Broken pipe (os error 32)"]);
}

/// Fails in `handle` and in `finish`, by its own fault or the client's.
struct Mixed {
    own: [bool; 2],
}

impl Mixed {
    fn fail(&self, phase: usize, request: &mut Request<'_>) -> Result {
        match self.own[phase] {
            true => Err("own fault".into()),
            false => writes(request),
        }
    }
}

impl StreamRequestHandler<Noting> for Mixed {
    fn handle(&mut self, request: &mut Request<'_>) -> Result {
        self.fail(0, request)
    }

    fn finish(&mut self, request: &mut Request<'_>) -> Result {
        self.fail(1, request)
    }
}

/// B26, A80: a fault is not hidden by a client that goes away after or before it.
#[test]
fn a_request_is_a_disconnect_only_if_all_that_failed_was() {
    let _alone = alone();
    for own in [[true, true], [true, false], [false, true], [false, false]] {
        let noting = Noting::default();
        let builder = TcpServer::builder(move || Mixed { own }).server(noting.clone());
        let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        connect(server.server_address()).reset().unwrap();
        server.handle_request().unwrap();
        let told = noting.trace.texts();
        let is_disconnect = told[0].starts_with("disconnect: ");
        assert_eq!(is_disconnect, own == [false, false], "{told:?}");
    }
}

/// B26: the default `handle_error` prints faults, and no disconnects.
#[test]
fn a_disconnect_is_not_printed() {
    if apart().is_some() {
        fn serve(handle: fn(&mut StreamRequest<'_>) -> Result) {
            let builder = TcpServer::builder(handler_fn(handle)).timeout(DEADLINE);
            let server = builder.bind("127.0.0.1:0").unwrap();
            connect(server.server_address()).reset().unwrap();
            server.handle_request().unwrap();
        }
        serve(|request| {
            request.rfile.read_exactly(1)?;
            Ok(())
        });
        serve(|request| Ok(request.wfile.write_all(b"x")?));
        serve(|_| Err(io::Error::from(ErrorKind::BrokenPipe))?);
        return;
    }
    let _alone = alone();
    let output = run_apart("a_disconnect_is_not_printed", "");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(printed.lines().count(), 4, "{printed}");
    assert!(printed.contains("\n  broken pipe\n"), "{printed}");
}

/// B26: the observer hears of it, and can tell.
#[test]
fn the_observer_is_told_of_a_disconnect() {
    let _alone = alone();
    let trace = Arc::new(Trace::new());
    let observed = Arc::clone(&trace);
    let observer = move |event: &Event<'_>| {
        if let Event::Finished { failed: Some(failed), .. } = event {
            observed.note(failed.failure.is_disconnect().to_string());
        }
    };
    let builder = TcpServer::builder(handler_fn(reads)).server(Noting::default());
    let server = builder.observer(observer).timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    connect(server.server_address()).reset().unwrap();
    server.handle_request().unwrap();
    assert_eq!(trace.texts(), ["true"]);
}

/// Clients that leave before they are accepted cost nobody anything.
#[test]
fn clients_that_leave_before_they_are_accepted_do_not_stop_the_server() {
    let _alone = alone();
    let gate = Arc::new(Gate::new());
    let held = Arc::clone(&gate);
    let greets = move |request: &mut Request<'_>| -> Result {
        held.pass();
        Ok(request.wfile.write_all(b"hello")?)
    };
    let builder = TcpServer::builder(handler_fn(greets)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut first = connect(server.server_address());
    for number in 0..50 {
        let client = connect(server.server_address());
        if number % 2 == 0 {
            client.reset().unwrap();
        }
    }
    gate.open();
    assert_eq!(first.read_to_end().unwrap(), b"hello");
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    let trace = Arc::clone(&server.server().trace);
    stop(server);
    assert_eq!(trace.count("error"), 0, "{:?}", trace.texts());
}

/// B26: without `rfile` and `wfile` too.
#[test]
fn a_base_handlers_disconnects_are_told_as_such() {
    struct Raw;
    impl BaseRequestHandler<Stream, Noting> for Raw {
        fn handle(&mut self, request: &mut BaseRequest<'_, Stream, Noting>) -> Result {
            request.request.recv(&mut [0])?;
            Ok(())
        }
    }
    let _alone = alone();
    let noting = Noting::default();
    let builder = TcpServer::builder(|| Raw).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
    connect(server.server_address()).reset().unwrap();
    server.handle_request().unwrap();
    assert_eq!(noting.trace.count("disconnect"), 1, "{:?}", noting.trace.texts());
}
