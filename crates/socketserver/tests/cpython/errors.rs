//! Which errors go to `handle_error`. In Python all but those that mean to exit; here there is no
//! error of that kind, a panic is one as any other, and to exit is to call `process::exit`.

use std::io::{self, Write};
use std::sync::{Arc, mpsc};
use std::{panic, process};

use socketserver::mixin::{Forking, MixIn, Synchronous, Threading};
use socketserver::transport::{Stream, Tcp};
use socketserver::{
    Address, BaseRequest, BaseRequestHandler, BaseServer, Failure, Outcome, Pending, RequestError,
    Result, Server,
};
use testkit::{Connect, DEADLINE, Process, Trace, alone, role, within_deadline};

/// How the handler ends.
#[derive(Clone, Copy)]
enum End {
    Fails,
    Panics,
    Exits,
}

struct Bad;

impl BaseRequestHandler<Stream, ErrorTest> for Bad {
    fn handle(&mut self, request: &mut BaseRequest<'_, Stream, ErrorTest>) -> Result {
        request.server.trace.note("Handler called");
        match request.server.end {
            End::Fails => Err("Test error".into()),
            End::Panics => panic!("Test error"),
            End::Exits => process::exit(7),
        }
    }
}

struct ErrorTest {
    end: End,
    trace: Arc<Trace>,
}

impl BaseServer for ErrorTest {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(match error.failure() {
            Failure::Panic(_) => "Panic handled",
            _ => "Error handled",
        });
    }
}

/// Handles the requests of `clients` clients, each of whom leaves at once, and closes the server,
/// which waits for the requests. Returns what was noted.
fn error_test_server<M>(mixin: M, end: End, clients: usize) -> Vec<String>
where
    M: MixIn<Pending<Tcp, ErrorTest>>,
{
    let trace = Arc::new(Trace::new());
    let server = Server::<Tcp, Synchronous, Bad>::builder(|| Bad)
        .mixin(mixin)
        .server(ErrorTest { end, trace: Arc::clone(&trace) })
        .timeout(DEADLINE)
        .bind("127.0.0.1:0")
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for _ in 0..clients {
        drop(address.connect().unwrap());
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    }
    assert!(server.server_close(Some(DEADLINE)));
    trace.texts()
}

fn forking() -> Forking {
    let mut forking = Forking::default();
    // Of the test harness, which waits.
    forking.allow_threads = true;
    forking
}

/// Original: an ordinary error: the handler was called, and so was `handle_error`. A46.
#[test]
fn test_sync_handled() {
    let _alone = alone();
    let noted = error_test_server(Synchronous::default(), End::Fails, 1);
    assert_eq!(noted, ["Handler called", "Error handled"]);
}

/// Original: an error that means to exit reaches the caller of `handle_request`, and not
/// `handle_error`. Here a handler that exits ends the process and nothing else is called; a panic
/// is an ordinary error, and the caller does not see it. A47.
#[test]
fn test_sync_not_handled() {
    if role().as_deref() == Some("exits") {
        // Noted where the test that started this process sees it.
        let trace = Arc::new(Trace::new());
        let server = Server::<Tcp, Synchronous, Bad>::builder(|| Bad)
            .server(ErrorTest { end: End::Exits, trace })
            .timeout(DEADLINE)
            .bind("127.0.0.1:0")
            .unwrap();
        drop(Connect::Tcp(server.server_address().as_inet().unwrap()).connect().unwrap());
        let outcome = server.handle_request();
        let _ = writeln!(io::stdout(), "went on with {outcome:?}");
        return;
    }
    let _alone = alone();
    let process = Process::of_test("errors::test_sync_not_handled", "exits");
    let (status, output) = process.wait();
    assert_eq!(status.code(), Some(7), "{output}");
    assert!(!output.contains("went on"), "{output}");

    let noted = error_test_server(Synchronous::default(), End::Panics, 2);
    assert_eq!(noted, ["Handler called", "Panic handled", "Handler called", "Panic handled"]);
}

/// Original: an ordinary error on a thread; that the request was shut down shows that it is over,
/// here that the server could be closed. A63.
#[test]
fn test_threading_handled() {
    let _alone = alone();
    let noted = within_deadline(|| error_test_server(Threading::default(), End::Fails, 1));
    assert_eq!(noted, ["Handler called", "Error handled"]);
}

/// Original: an error on a thread that means to exit ends the thread, is reported by the thread's
/// hook, and is not handled. Here a panic is reported by the hook too, but it is an ordinary error,
/// and the server serves on. A63.
#[test]
fn test_threading_not_handled() {
    let _alone = alone();
    let (tell, told) = mpsc::channel();
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let _ = tell.send(panic.payload().downcast_ref() == Some(&"Test error"));
    }));
    let noted = within_deadline(|| error_test_server(Threading::default(), End::Panics, 2));
    panic::set_hook(usual);
    let count = |text| noted.iter().filter(|&noted| noted == text).count();
    assert_eq!((count("Handler called"), count("Panic handled")), (2, 2), "{noted:?}");
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [true, true], "what the hook was told");
}

/// Original: an ordinary error in a child, where it is handled. A70.
#[test]
fn test_forking_handled() {
    let _alone = alone();
    let noted = error_test_server(forking(), End::Fails, 1);
    assert_eq!(noted, ["Handler called", "Error handled"]);
}

/// Original: an error in a child that means to exit is not handled, and does not reach the parent.
/// Here a handler that exits ends the child, and the parent serves on. A70.
#[test]
fn test_forking_not_handled() {
    let _alone = alone();
    let noted = error_test_server(forking(), End::Exits, 2);
    assert_eq!(noted, ["Handler called", "Handler called"]);
}
