//! Loops of the caller's own, over several servers.

use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socketserver::Outcome;
use socketserver::mixin::{Synchronous, Threading};
use socketserver::transport::{Tcp, Udp, UnixStream};
use testkit::DEADLINE;

use crate::common::{CoroutineEpoll, CoroutineIoUring, Mix, bound};

/// Which of these are readable, of which one will be.
fn readable<const N: usize>(servers: [&dyn AsFd; N]) -> [bool; N] {
    let mut fds = servers.map(|server| PollFd::from_borrowed_fd(server.as_fd(), PollFlags::IN));
    let deadline = Timespec::try_from(DEADLINE).unwrap();
    assert!(poll(&mut fds, Some(&deadline)).unwrap() > 0, "none in time");
    fds.map(|fd| !fd.revents().is_empty())
}

/// A19: a server is something that can be polled; two of them in one loop, by whichever turn.
fn two_servers_in_one_loop<M: Mix<Tcp> + Mix<Udp>>() {
    let _alone = testkit::alone();
    let tcp = bound::<Tcp, M>(|builder| builder);
    let udp = bound::<Udp, M>(|builder| builder);
    assert_eq!(tcp.fileno().as_raw_fd(), tcp.server.as_raw_fd());
    let mut one = tcp.send("echo one");
    assert_eq!(readable([&tcp.server, &udp.server]), [true, false]);
    assert_eq!(tcp.handle_request().unwrap(), Outcome::Processed);
    assert_eq!(one.reply().unwrap(), "one");

    let mut two = udp.send("echo two");
    assert_eq!(readable([&tcp.server, &udp.server]), [false, true]);
    assert_eq!(udp.handle_request_noblock(), Outcome::Processed);
    assert_eq!(two.reply().unwrap(), "two");

    let (mut three, mut four) = (tcp.send("echo three"), udp.send("echo four"));
    assert_eq!(readable([&tcp.server, &udp.server]), [true, true]);
    assert_eq!(tcp.handle_request_noblock(), Outcome::Processed);
    assert_eq!(udp.handle_request().unwrap(), Outcome::Processed);
    assert_eq!((three.reply().unwrap(), four.reply().unwrap()), ("three".into(), "four".into()));
    tcp.close();
    udp.close();
}

/// A19.
#[test]
fn two_synchronous_servers_are_served_by_one_loop() {
    two_servers_in_one_loop::<Synchronous>();
}

/// A19.
#[test]
fn two_threading_servers_are_served_by_one_loop() {
    two_servers_in_one_loop::<Threading>();
}

/// A19.
#[test]
fn two_coroutine_servers_are_served_by_one_loop() {
    two_servers_in_one_loop::<CoroutineEpoll>();
    two_servers_in_one_loop::<CoroutineIoUring>();
}

/// A19, B35: several kinds behind one object.
#[test]
fn servers_of_several_kinds_are_kept_in_one_list() {
    let _alone = testkit::alone();
    type Turn<'a> = Box<dyn Fn() -> Outcome + 'a>;
    let tcp = bound::<Tcp, Threading>(|builder| builder);
    let unix = bound::<UnixStream, Synchronous>(|builder| builder);
    let servers: [(&dyn AsFd, Turn<'_>); 2] = [
        (&tcp.server, Box::new(|| tcp.handle_request_noblock())),
        (&unix.server, Box::new(|| unix.handle_request_noblock())),
    ];
    let mut clients = [tcp.send("echo 1"), unix.send("echo 2"), tcp.send("echo 3")];
    let mut served = 0;
    while served < clients.len() {
        let ready = readable([servers[0].0, servers[1].0]);
        for ((_, turn), ready) in servers.iter().zip(ready) {
            served += usize::from(ready && turn() == Outcome::Processed);
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().unwrap(), (number + 1).to_string());
    }
    drop(servers);
    tcp.close();
    unix.close();
}

/// A19, B4: after the close the number is still the server's, and is no use to anybody.
#[test]
fn the_number_of_a_closed_server_is_of_no_use() {
    let _alone = testkit::alone();
    let server = bound::<Udp, Synchronous>(|builder| builder);
    assert!(server.server_close(Some(DEADLINE)));
    let mut fds = [PollFd::new(&server.server, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&now)).unwrap(), 1);
    assert_eq!(fds[0].revents(), PollFlags::NVAL, "it is not one that waits for ever");
    assert_eq!(
        server.socket().socket().recv(&mut [0]).unwrap_err().raw_os_error(),
        Some(rustix::io::Errno::BADF.raw_os_error())
    );
    server.close();
}
