//! What a child is, does and leaves.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use socketserver::mixin::Forking;
use socketserver::transport::{Tcp, Transport, UnixStream};
use socketserver::{BaseServer, ForkingTcpServer, Outcome, Result, StreamRequest, handler_fn};
use testkit::{Connect, DEADLINE, Process};

use crate::common::{Bound, bound, serve};

/// The exit status of the child that has handled `text`.
fn exit_status(text: &str) -> i32 {
    let _alone = testkit::alone();
    let server: Bound<Tcp, Forking> = bound(|builder| builder);
    let _client = server.send(text);
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    let [child] = server.mixin().active_children()[..] else {
        panic!("{:?}", server.mixin());
    };
    // Without reaping it: no loop runs that would do so before.
    let child = Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(child), options).unwrap().unwrap();
    server.close();
    status.exit_status().unwrap()
}

/// A70.
#[test]
fn a_child_whose_request_succeeded_ends_with_status_0() {
    assert_eq!(exit_status("echo hello"), 0);
}

/// A70.
#[test]
fn a_child_whose_handler_failed_ends_with_status_1() {
    assert_eq!(exit_status("fail"), 1);
}

/// A70.
#[test]
fn a_child_whose_handler_panicked_ends_with_status_1() {
    assert_eq!(exit_status("panic"), 1);
}

/// A state that handlers change.
#[derive(Default)]
struct Counter(AtomicUsize);

impl<T: Transport> BaseServer<T> for Counter {}

/// A76: a child has the parent's state, and changes its own copy of it.
#[test]
fn what_a_child_changes_its_parent_does_not_see() {
    let _alone = testkit::alone();
    let count = handler_fn(|request: &mut StreamRequest<'_, Counter>| {
        let before = request.server.0.fetch_add(1, Ordering::SeqCst);
        Ok(write!(request.wfile, "{before}")?)
    });
    let server = ForkingTcpServer::builder(count)
        .allow_threads(true)
        .server(Counter::default())
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let answer = || address.connect().unwrap().read_to_end().unwrap();
    assert_eq!((answer(), answer()), (b"0".to_vec(), b"0".to_vec()));
    assert_eq!(server.server().0.load(Ordering::SeqCst), 0);
    server.server().0.store(7, Ordering::SeqCst);
    assert_eq!(answer(), b"7");
    server.stop(Some(DEADLINE)).unwrap();
}

/// Tells what its process has open, and which signals are blocked in it.
fn tell(request: &mut StreamRequest<'_>) -> Result {
    for what in testkit::descriptors().values() {
        writeln!(request.wfile, "open {what}")?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("SigBlk:")) {
        writeln!(request.wfile, "{line}")?;
    }
    Ok(())
}

/// What a child tells that serves one request of a TCP server's.
fn told(before: impl FnOnce(&socketserver::Address)) -> String {
    let server = ForkingTcpServer::builder(handler_fn(tell))
        .allow_threads(true)
        .bind("127.0.0.1:0")
        .unwrap();
    before(server.server_address());
    let server = server.spawn().unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let told = address.connect().unwrap().read_to_end().unwrap();
    server.stop(Some(DEADLINE)).unwrap();
    String::from_utf8(told).unwrap()
}

/// B17: the listening socket is the parent's.
#[test]
fn a_child_does_not_have_the_listening_socket() {
    let _alone = testkit::alone();
    let mut listening = Vec::new();
    let told = told(|_| {
        let sockets = testkit::descriptors().into_values();
        listening.extend(sockets.filter(|what| what.starts_with("socket:")));
    });
    assert!(told.contains("open socket:["), "it has its connection: {told}");
    assert!(!listening.is_empty());
    for socket in listening {
        assert!(!told.contains(&format!("open {socket}\n")), "{socket} is open: {told}");
    }
}

/// B19: signals that are blocked while it is made are not for its whole life.
#[test]
fn a_child_has_no_signal_blocked() {
    let _alone = testkit::alone();
    let told = told(|_| {});
    assert!(told.contains("SigBlk:\t0000000000000000"), "{told}");
}

/// B18: what parent and child have written to standard output comes out once, and all of it.
#[test]
fn buffered_output_is_neither_lost_nor_doubled() {
    let _alone = testkit::alone();
    if testkit::role().is_none() {
        let name = "child::buffered_output_is_neither_lost_nor_doubled";
        let (status, output) = Process::of_test(name, "printing").wait();
        assert!(status.success(), "{output}");
        for text in ["<before>", "<child>", "<after>"] {
            assert_eq!(output.matches(text).count(), 1, "{text} in {output}");
        }
        return;
    }
    // No newline, so that all of it stays in the buffer of who has written it.
    let print = handler_fn(|_: &mut StreamRequest<'_>| Ok(write!(std::io::stdout(), "<child>")?));
    let server = ForkingTcpServer::builder(print).allow_threads(true).bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    write!(std::io::stdout(), "<before>").unwrap();
    let mut client = address.connect().unwrap();
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    assert!(server.server_close(Some(DEADLINE)));
    writeln!(std::io::stdout(), "<after>").unwrap();
}

/// A63, A70: `handle_error` runs in the child, and the parent hears nothing of it.
#[test]
fn errors_are_handled_in_the_child() {
    let _alone = testkit::alone();
    let server = serve::<UnixStream, Forking>();
    for text in ["fail", "panic"] {
        let mut client = server.connect();
        client.send(text).unwrap();
        client.assert_ended();
    }
    let trace = &server.server().trace;
    trace.wait_for_several(2, "handle_error");
    let notes = trace.notes();
    let own = std::process::id();
    let errors: Vec<_> =
        notes.iter().filter(|note| note.text.starts_with("handle_error")).collect();
    assert!(errors.iter().all(|note| note.process != own), "{errors:?}");
    assert_ne!(errors[0].process, errors[1].process);
    server.stop();
}
