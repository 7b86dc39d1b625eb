//! Paths at which there is something already.

use std::fs;
use std::io::ErrorKind::AddrInUse;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use socketserver::Outcome;
use testkit::{alone, socket_path};

use crate::noting::{connect, stop};
use crate::{DatagramServer, StreamServer, back_greeter, greeter};

/// B34: a path that a server has left behind, for it was killed.
#[test]
fn a_socket_that_nobody_answers_is_replaced() {
    let _alone = alone();
    let path = socket_path();
    drop(UnixListener::bind(&path).unwrap());
    let server = StreamServer::bind(&path, greeter).unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    stop(server);

    drop(UnixDatagram::bind(&path).unwrap());
    let server = DatagramServer::bind(&path, back_greeter).unwrap();
    assert_eq!(server.server_address().as_path(), Some(&*path));
}

/// B34, A61: and the server that lives there is none the worse.
#[test]
fn a_socket_that_somebody_answers_is_refused() {
    let _alone = alone();
    let path = socket_path();
    let first = StreamServer::bind(&path, greeter).unwrap().spawn().unwrap();
    for error in [
        StreamServer::bind(&path, greeter).unwrap_err(),
        // One of another kind is no less alive.
        DatagramServer::bind(&path, back_greeter).unwrap_err(),
    ] {
        assert_eq!(error.kind(), AddrInUse);
        let text = format!("cannot bind to {}: another server answers there", path.display());
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(connect(first.server_address()).read_to_end().unwrap(), b"hello");
    stop(first);

    let first = DatagramServer::bind(&path, back_greeter).unwrap();
    assert_eq!(DatagramServer::bind(&path, back_greeter).unwrap_err().kind(), AddrInUse);
    assert_eq!(StreamServer::bind(&path, greeter).unwrap_err().kind(), AddrInUse);
    assert!(path.exists());
    drop(first);
}

/// B34: one that is too busy to answer is not dead.
#[test]
fn a_socket_whose_queue_is_full_is_refused_without_waiting() {
    let _alone = alone();
    let path = socket_path();
    let builder = StreamServer::builder(greeter).request_queue_size(0);
    let first = builder.bind(&path).unwrap();
    let waiting = UnixStream::connect(&path).unwrap();
    let error = testkit::within_deadline({
        let path = path.to_path_buf();
        move || StreamServer::bind(&path, greeter).unwrap_err()
    });
    assert_eq!(error.kind(), AddrInUse);
    drop((first, waiting));
}

/// B34: whatever it is that is not a socket, it stays.
#[test]
fn what_is_not_a_socket_is_refused_and_left_alone() {
    let _alone = alone();
    let path = socket_path();
    let told = "cannot bind to {}: there is something that is not a socket";
    let told = told.replace("{}", &path.display().to_string());

    fs::write(&path, "precious").unwrap();
    assert_eq!(StreamServer::bind(&path, greeter).unwrap_err().to_string(), told);
    assert_eq!(DatagramServer::bind(&path, back_greeter).unwrap_err().to_string(), told);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert_eq!(StreamServer::bind(&path, greeter).unwrap_err().to_string(), told);
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();

    // A link, be it to a socket that nobody answers: it may be there on purpose.
    let target = path.folder().join("target");
    drop(UnixListener::bind(&target).unwrap());
    symlink(&target, &path).unwrap();
    assert_eq!(StreamServer::bind(&path, greeter).unwrap_err().to_string(), told);
    assert!(path.is_symlink() && target.exists());
}

/// B34: one that is bound, and does not listen yet.
#[test]
fn a_socket_that_will_be_answered_is_refused() {
    let _alone = alone();
    let path = socket_path();
    let bound = StreamServer::builder(greeter).server_bind(&path).unwrap();
    assert_eq!(StreamServer::bind(&path, greeter).unwrap_err().kind(), AddrInUse);
    let server = bound.server_activate().unwrap().spawn().unwrap();
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    stop(server);
}

/// B34: to ask whether somebody is there is no request.
#[test]
fn a_server_does_not_notice_that_its_path_is_asked_for() {
    let _alone = alone();
    let path = socket_path();
    let server = StreamServer::builder(greeter).timeout(Duration::ZERO).bind(&path).unwrap();
    StreamServer::bind(&path, greeter).unwrap_err();
    DatagramServer::bind(&path, back_greeter).unwrap_err();
    assert_eq!(server.handle_request().unwrap(), Outcome::TimedOut);
}

/// B34: exactly one of them gets the path, and it is answered there.
#[test]
fn of_servers_that_start_at_the_same_time_one_gets_the_path() {
    let _alone = alone();
    for round in 0..200 {
        let path = socket_path();
        if round % 2 == 0 {
            // One that nobody answers, which each of them would replace.
            drop(UnixListener::bind(&path).unwrap());
        }
        let servers: Vec<_> = std::thread::scope(|scope| {
            let start = || scope.spawn(|| StreamServer::bind(&path, greeter));
            let starting: Vec<_> = (0..4).map(|_| start()).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut servers: Vec<_> = servers.into_iter().filter_map(Result::ok).collect();
        assert_eq!(servers.len(), 1);
        let server = servers.remove(0).spawn().unwrap();
        assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
        stop(server);
    }
}
