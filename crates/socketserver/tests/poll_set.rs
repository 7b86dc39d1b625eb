//! A loop of the caller's own: what it polls, and that it rests when there is nothing to do.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socketserver::{
    ForkingTcpServer, HandlerFn, Outcome, Result, Server, StreamRequest, ThreadingTcpServer,
    handler_fn,
};
use testkit::{Client, Connect, DEADLINE, alone, eventually};

/// Copies what comes until the client ends.
fn echo(request: &mut StreamRequest<'_>) -> Result {
    let StreamRequest { rfile, wfile, .. } = request;
    io::copy(rfile, wfile)?;
    Ok(())
}

fn client_of(address: SocketAddr) -> Client {
    Connect::Tcp(address).connect().unwrap()
}

/// Waits for one of `descriptors`, up to `timeout`; returns which are ready.
fn ready(descriptors: [Option<BorrowedFd<'_>>; 3], timeout: Duration) -> [bool; 3] {
    descriptors.map(|fd| {
        fd.is_some_and(|fd| {
            let timeout = Timespec::try_from(timeout).unwrap();
            poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)).unwrap() > 0
        })
    })
}

/// Waits for the socket alone, and handles one request.
fn serve_one<M, H>(server: &Server<socketserver::transport::Tcp, M, H>) -> Outcome
where
    M: socketserver::mixin::MixIn<socketserver::Pending<socketserver::transport::Tcp, ()>>,
{
    let [socket, ..] = server.poll_set().descriptors;
    assert_eq!(ready([socket, None, None], DEADLINE), [true, false, false]);
    server.handle_request_noblock()
}

/// A23, B8: at the limit the socket is left out, and comes back when a request has ended.
#[test]
fn a_full_server_leaves_its_socket_out_until_there_is_room() {
    let _alone = alone();
    let server =
        ThreadingTcpServer::builder(handler_fn(echo)).max_threads(1).bind("127.0.0.1:0").unwrap();
    let address = server.server_address().as_inet().unwrap();
    let first = client_of(address);
    assert_eq!(serve_one(&server), Outcome::Processed);
    let second = client_of(address);
    assert!(server.poll_set().descriptors[0].is_none(), "full");
    assert_eq!(server.handle_request_noblock(), Outcome::Full);

    assert_eq!(first.exchange("one").unwrap(), b"one");
    let [_, mixin, _] = server.poll_set().descriptors;
    assert_eq!(ready([None, mixin, None], DEADLINE), [false, true, false]);
    assert_eq!(server.handle_request_noblock(), Outcome::Processed);
    assert_eq!(second.exchange("two").unwrap(), b"two");
    assert!(server.server_close(Some(DEADLINE)));
}

/// A child that has ended must not keep the loop awake because its sibling, forked while it ran,
/// has a copy of its pidfd.
#[test]
fn an_ended_child_does_not_keep_the_loop_awake_while_its_sibling_runs() {
    let _alone = alone();
    let server = ForkingTcpServer::builder(handler_fn(echo))
        .allow_threads(true)
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.server_address().as_inet().unwrap();
    let first = client_of(address);
    assert_eq!(serve_one(&server), Outcome::Processed);
    let second = client_of(address);
    assert_eq!(serve_one(&server), Outcome::Processed);

    assert_eq!(first.exchange("one").unwrap(), b"one");
    eventually("the first child is reaped", || {
        server.handle_request_noblock();
        server.mixin().active_children().len() == 1
    });
    let rest = ready(server.poll_set().descriptors, Duration::ZERO);
    assert_eq!(rest, [false; 3], "nothing has happened since");

    assert_eq!(second.exchange("two").unwrap(), b"two");
    assert!(server.server_close(Some(DEADLINE)));
}

/// A shutdown wakes a loop of the caller's own.
#[test]
fn a_shutdown_is_readable() {
    let _alone = alone();
    let server = ThreadingTcpServer::bind("127.0.0.1:0", || HandlerFn::new(echo)).unwrap();
    assert_eq!(ready(server.poll_set().descriptors, Duration::ZERO), [false; 3]);
    server.shutdown_handle().request_shutdown();
    let [_, _, stop] = ready(server.poll_set().descriptors, Duration::ZERO);
    assert!(stop);
}
