//! Requests that no process is made for.

use std::fs::File;
use std::io::Write;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socketserver::mixin::Forking;
use socketserver::transport::Tcp;
use socketserver::{
    Address, BaseServer, Failure, ForkingTcpServer, Outcome, RequestError, StreamRequest,
    handler_fn,
};
use socketserver_sys::process::{Exit, Threads, fork, wait};
use testkit::{Connect, DEADLINE, Process};

use crate::common::bound;

/// Tells the client what could not be done for it.
struct Telling;

impl BaseServer for Telling {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        if let (Failure::Process(error), Some(client)) = (error.failure(), error.connection()) {
            let _ = client.send_all(error.to_string().as_bytes());
        }
    }
}

/// B19: a process with other threads is not forked unless the user says that it may be.
#[test]
fn a_process_with_threads_is_not_forked() {
    let _alone = testkit::alone();
    let hello = handler_fn(|request: &mut StreamRequest<'_, Telling>| {
        Ok(request.wfile.write_all(b"hello")?)
    });
    let server = ForkingTcpServer::builder(hello)
        .server(Telling)
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for _ in 0..2 {
        let told = address.connect().unwrap().read_to_end().unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("refusing to fork a process with"), "{told}");
        assert!(told.contains("allow_threads"), "it says what to do: {told}");
    }
    assert!(server.mixin().active_children().is_empty());
    server.stop(Some(DEADLINE)).unwrap();
}

/// B19: one without is, as it is.
#[test]
fn a_process_without_threads_is_forked() {
    let _alone = testkit::alone();
    // A process of one thread: a fork of this one.
    let served = fork(Threads::Several, || {
        let hello =
            handler_fn(|request: &mut StreamRequest<'_>| Ok(request.wfile.write_all(b"hello")?));
        let server = ForkingTcpServer::bind("127.0.0.1:0", hello).unwrap();
        let address = Connect::Tcp(server.server_address().as_inet().unwrap());
        let mut client = address.connect().unwrap();
        let outcome = server.handle_request().unwrap();
        let answer = client.read_to_end().unwrap();
        let closed = server.server_close(Some(DEADLINE));
        u8::from(outcome != Outcome::Processed || answer != b"hello" || !closed)
    });
    assert_eq!(wait(&served.unwrap()), Exit::Status(0));
}

/// A75: a fork that fails costs one request, which goes to `handle_error` while it is open.
#[test]
fn a_fork_that_fails_costs_one_request() {
    let _alone = testkit::alone();
    if testkit::role().is_none() {
        let name = "refused::a_fork_that_fails_costs_one_request";
        let (status, output) = Process::of_test(name, "without processes").wait();
        assert!(status.success(), "{output}");
        return;
    }
    // The limit of processes does not bind root.
    if nix::unistd::geteuid().is_root() {
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).unwrap();
    }
    let server = bound::<Tcp, Forking>(|builder| builder);
    let mut refused = server.connect();
    let mut served = server.send("echo served");
    let before = getrlimit(Resource::Nproc);
    setrlimit(Resource::Nproc, Rlimit { current: Some(0), ..before }).unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    setrlimit(Resource::Nproc, before).unwrap();
    refused.assert_ended();
    let told = server.server().trace.texts();
    let told_why = "could not be started: Resource temporarily unavailable";
    assert!(told[1].contains(told_why), "{told:?}");
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(served.reply().unwrap(), "served");
    server.close();
}

/// The descriptor of the connection, which the parent gives up, does for the child's pidfd.
#[test]
fn the_last_descriptor_is_enough_for_a_child() {
    let _alone = testkit::alone();
    if testkit::role().is_none() {
        let name = "refused::the_last_descriptor_is_enough_for_a_child";
        let (status, output) = Process::of_test(name, "without descriptors").wait();
        assert!(status.success(), "{output}");
        return;
    }
    testkit::limit_descriptors(64);
    let server = bound::<Tcp, Forking>(|builder| builder);
    let mut served = server.send("echo served");
    let mut files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.pop();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(served.reply().unwrap(), "served");
    server.close();
}
