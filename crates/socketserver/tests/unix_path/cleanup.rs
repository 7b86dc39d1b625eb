//! When a path is removed, and when it is not.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use socketserver::mixin::Threading;
use socketserver::{ForkingUnixStreamServer, Server};
use testkit::{DEADLINE, Gate, alone, socket_path};

use crate::noting::{apart, connect, run_apart, stop};
use crate::{DatagramServer, StreamServer, back_greeter, greeter};

/// B34: whichever way the server is closed.
#[test]
fn the_path_is_removed_when_the_server_is_closed() {
    let _alone = alone();
    let path = socket_path();
    let server = StreamServer::bind(&path, greeter).unwrap();
    assert!(server.server_close(None));
    assert!(!path.exists());
    // The server is still there.
    drop(server);

    drop(StreamServer::bind(&path, greeter).unwrap());
    assert!(!path.exists());
    stop(StreamServer::bind(&path, greeter).unwrap().spawn().unwrap());
    assert!(!path.exists());
    drop(DatagramServer::bind(&path, back_greeter).unwrap());
    assert!(!path.exists());
}

/// A14, B34: nothing is left of a server that does not come to be.
#[test]
fn the_path_is_removed_when_the_server_is_not_made_after_all() {
    let _alone = alone();
    let path = socket_path();
    drop(StreamServer::builder(greeter).server_bind(&path).unwrap());
    assert!(path.left().is_empty(), "{:?}", path.left());
    drop(DatagramServer::builder(back_greeter).server_bind(&path).unwrap());
    assert!(path.left().is_empty(), "{:?}", path.left());

    let mut threading = Threading::default();
    threading.max_threads = 0;
    let error = StreamServer::builder(greeter).mixin(threading).bind(&path).unwrap_err();
    assert_eq!(error.to_string(), "max_threads must not be 0");
    assert!(path.left().is_empty(), "{:?}", path.left());
}

/// B34: another server's path is its own, though it is at the same place.
#[test]
fn the_path_is_left_if_it_is_another_servers_by_now() {
    let _alone = alone();
    let path = socket_path();
    let first = StreamServer::bind(&path, greeter).unwrap();
    // Moved, so that the number of its inode is not free to be used again.
    let moved = path.folder().join("moved");
    fs::rename(&path, &moved).unwrap();
    let second = StreamServer::bind(&path, greeter).unwrap().spawn().unwrap();
    drop(first);
    assert_eq!(connect(second.server_address()).read_to_end().unwrap(), b"hello");
    assert!(moved.exists());
    stop(second);
    assert!(!path.exists());

    let first = StreamServer::bind(&path, greeter).unwrap();
    fs::remove_file(&path).unwrap();
    let second = StreamServer::bind(&path, greeter).unwrap().spawn().unwrap();
    drop(first);
    assert_eq!(connect(second.server_address()).read_to_end().unwrap(), b"hello");
    stop(second);
}

/// B34: closed, and its path taken by another, before it is dropped; the number of its inode may
/// then be the same.
#[test]
fn a_closed_server_does_not_remove_the_path_again_when_it_is_dropped() {
    let _alone = alone();
    let path = socket_path();
    let first = StreamServer::bind(&path, greeter).unwrap();
    assert!(first.server_close(None));
    let second = StreamServer::bind(&path, greeter).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
}

/// B34: nor does it touch what else is there by now.
#[test]
fn a_file_that_has_taken_the_paths_place_is_left() {
    let _alone = alone();
    let path = socket_path();
    let server = StreamServer::bind(&path, greeter).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(server);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// B34: a socket that was bound elsewhere has a path that is somebody else's, such as the service
/// manager's.
#[test]
fn the_path_of_a_socket_from_elsewhere_stays() {
    let _alone = alone();
    let path = socket_path();
    let listener = UnixListener::bind(&path).unwrap();
    let server = StreamServer::builder(greeter).from_socket(listener).unwrap().spawn().unwrap();
    assert_eq!(server.server_address().as_path(), Some(&*path));
    assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    stop(server);
    assert!(path.exists());
    fs::remove_file(&path).unwrap();

    let socket = UnixDatagram::bind(&path).unwrap();
    drop(DatagramServer::builder(back_greeter).from_socket(socket).unwrap());
    assert!(path.exists());
}

/// B17, B34: a child has a copy of the server, and the path is the parent's.
#[test]
fn a_forked_child_does_not_remove_its_parents_path() {
    let _alone = alone();
    let path = socket_path();
    let builder = ForkingUnixStreamServer::builder(greeter).allow_threads(true);
    let server = builder.bind(&path).unwrap().spawn().unwrap();
    for _ in 0..3 {
        assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
    }
    testkit::eventually("the end of the children", || server.mixin().active_children().is_empty());
    assert!(path.exists());
    stop(server);
    assert!(!path.exists());
}

/// B34: when the server is closed and no more can come, and not only when the last request ends.
#[test]
fn the_path_is_removed_before_the_requests_that_run_have_ended() {
    use socketserver::{HandlerFn, ThreadingUnixStreamServer};
    use std::sync::Arc;
    let _alone = alone();
    let path = socket_path();
    let gate = Arc::new(Gate::new());
    let held = Arc::clone(&gate);
    let waits = move |request: &mut socketserver::StreamRequest<'_>| {
        request.connection().send_all(b"here")?;
        held.pass();
        Ok(())
    };
    let server = ThreadingUnixStreamServer::bind(&path, move || HandlerFn::new(waits.clone()));
    let server = server.unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    assert_eq!(client.read_exactly(4).unwrap(), b"here");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| server.server_close(Some(DEADLINE)));
        testkit::eventually("the path's end", || !path.exists());
        assert_eq!(server.active_requests(), 1);
        gate.open();
        assert!(closing.join().unwrap());
    });
    stop(server);
}

/// Changes into a folder, and makes one more server there.
fn serve_elsewhere(folder: &Path) {
    let sockets = folder.join("sockets");
    fs::create_dir(&sockets).unwrap();
    std::env::set_current_dir(&sockets).unwrap();
    drop(UnixListener::bind("stale").unwrap());
    let stream = StreamServer::bind("stale", greeter).unwrap();
    let datagram = DatagramServer::bind("datagram", back_greeter).unwrap();
    assert_eq!(stream.server_address().as_path(), Some(Path::new("stale")));
    assert!(sockets.join("stale").exists() && sockets.join("datagram").exists());

    std::env::set_current_dir(folder).unwrap();
    // Of the same name, and somebody else's.
    fs::write("stale", "precious").unwrap();
    drop(Server::server_close(&stream, None).then_some(stream).unwrap());
    drop(datagram);
    assert!(!sockets.join("stale").exists() && !sockets.join("datagram").exists());
    assert_eq!(fs::read_to_string("stale").unwrap(), "precious");
}

/// B34: as for a program that becomes a daemon, and goes to `/`.
#[test]
fn a_relative_path_is_removed_though_the_working_directory_has_changed() {
    if let Some(folder) = apart() {
        return serve_elsewhere(&PathBuf::from(folder));
    }
    let _alone = alone();
    let place = socket_path();
    let name = "cleanup::a_relative_path_is_removed_though_the_working_directory_has_changed";
    run_apart(name, place.folder().display());
}
