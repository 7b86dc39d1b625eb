//! Connecting to other servers, from threads and from coroutines on either back end.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net as std_unix;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver_coroutine::blocking::{BLOCKING_THREADS, blocking, set_blocking_threads};
use socketserver_coroutine::net::{TcpStream, ToSocketAddrs, UnixStream};
use socketserver_coroutine::sync::channel;
use socketserver_coroutine::{Backend, Config, Cut, run, spawn, yield_now};
use testkit::{DEADLINE, Gate, descriptors, socket_path};

const SHORT: Duration = Duration::from_millis(20);

/// Runs `scenario` on a thread, and in a coroutine on either back end.
fn everywhere(scenario: fn()) {
    let _alone = testkit::alone();
    scenario();
    in_coroutines(scenario);
}

fn in_coroutines(scenario: fn()) {
    for backend in [Backend::Auto, Backend::Epoll] {
        let mut config = Config::default();
        config.backend = backend;
        run(&config, scenario).unwrap();
    }
}

/// A server on a thread, which answers to as many clients with what they send.
fn echo_server(clients: usize) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                let mut client = listener.accept().unwrap().0;
                thread::spawn(move || {
                    let mut reader = client.try_clone().unwrap();
                    drop(io::copy(&mut reader, &mut client));
                    drop(client.shutdown(Shutdown::Write));
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    (address, server)
}

/// A server whose queue is full, and which accepts nobody; with the sockets that make it so.
fn full_server() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        drop(client.connect(&address));
        sockets.push(client);
    }
    (address.as_socket().unwrap(), sockets)
}

/// A port on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn what_is_sent_comes_back() {
    everywhere(|| {
        let (address, server) = echo_server(1);
        let mut stream = TcpStream::connect(address).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert_eq!(stream.local_addr().unwrap().ip(), address.ip());
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        // More than the sockets hold, so that both directions must wait.
        let sent: Vec<u8> = (0..4_000_000_u32).map(|number| number as u8).collect();
        let (mut writer, bytes) = (stream.try_clone().unwrap(), sent.clone());
        let child = spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        child.join().unwrap();
        assert!(received == sent);
        assert!(stream.take_error().unwrap().is_none());
        drop(stream);
        server.join().unwrap();
    });
}

#[test]
fn the_others_of_the_worker_run_while_one_waits_for_its_peer() {
    let _alone = testkit::alone();
    in_coroutines(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let child = spawn(move || {
            let mut answer = [0; 1];
            TcpStream::connect(address).unwrap().read_exact(&mut answer).unwrap();
            answer[0]
        });
        // Nothing of this parks, so that it is the child that does.
        yield_now();
        let mut client = listener.accept().unwrap().0;
        for _ in 0..10 {
            yield_now();
        }
        assert!(!child.is_finished());
        client.write_all(&[7]).unwrap();
        assert_eq!(child.join().unwrap(), 7);
    });
}

#[test]
fn the_addresses_are_tried_in_turn() {
    everywhere(|| {
        let (address, server) = echo_server(1);
        let addresses = [nobody(), address];
        let stream = TcpStream::connect(&addresses[..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop(stream);
        server.join().unwrap();

        let error = TcpStream::connect(nobody()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect_timeout(nobody(), DEADLINE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let none: &[SocketAddr] = &[];
        assert_eq!(TcpStream::connect(none).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn names_and_numbers_are_resolved() {
    fn reaches(address: impl ToSocketAddrs + Clone, server: SocketAddr) {
        for stream in [
            TcpStream::connect(address.clone()).unwrap(),
            TcpStream::connect_timeout(&address, DEADLINE).unwrap(),
        ] {
            assert_eq!(stream.peer_addr().unwrap(), server);
        }
    }

    everywhere(|| {
        let (address, server) = echo_server(14);
        let port = address.port();
        reaches(("127.0.0.1", port), address);
        reaches(("localhost", port), address);
        reaches(("localhost".to_owned(), port), address);
        reaches((Ipv4Addr::LOCALHOST, port), address);
        reaches(&*format!("127.0.0.1:{port}"), address);
        reaches(format!("localhost:{port}"), address);
        reaches(&address, address);
        server.join().unwrap();
        assert!(TcpStream::connect("no port").is_err());
        assert!(TcpStream::connect_timeout("no port", DEADLINE).is_err());
    });
}

#[test]
fn a_peer_that_does_not_accept_is_given_up_after_the_timeout() {
    everywhere(|| {
        let (address, _full) = full_server();
        // One limit for all of them.
        let error = TcpStream::connect_timeout(&[address; 50][..], SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_resolution_that_must_wait_for_a_thread_is_given_up_after_the_timeout() {
    let _alone = testkit::alone();
    set_blocking_threads(NonZeroUsize::MIN);
    in_coroutines(|| {
        let gate = Arc::new(Gate::new());
        let inside = Arc::clone(&gate);
        let busy = spawn(move || blocking(move || inside.pass()));
        yield_now();
        let error = TcpStream::connect_timeout("localhost:1", SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        gate.open();
        assert!(busy.join().unwrap());
    });
    set_blocking_threads(NonZeroUsize::new(BLOCKING_THREADS).unwrap());
}

#[test]
fn a_read_and_a_write_end_with_their_timeouts() {
    everywhere(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut silent = listener.accept().unwrap().0;
        assert_eq!((stream.read_timeout(), stream.write_timeout()), (None, None));
        stream.set_read_timeout(Some(SHORT)).unwrap();
        stream.set_write_timeout(Some(SHORT)).unwrap();
        assert_eq!((stream.read_timeout(), stream.write_timeout()), (Some(SHORT), Some(SHORT)));
        let zero = stream.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        let full = loop {
            if let Err(error) = stream.write_all(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::TimedOut);
        // It is usable as before.
        silent.write_all(b"x").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(stream.read(&mut []).unwrap(), 0);
        stream.set_read_timeout(None).unwrap();
        drop(silent);
        assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
    });
}

#[test]
fn a_shutdown_ends_the_wait_of_a_clone() {
    everywhere(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let silent = listener.accept().unwrap().0;
        let mut clone = stream.try_clone().unwrap();
        let child = spawn(move || clone.read(&mut [0; 8]).unwrap());
        yield_now();
        stream.shutdown(Shutdown::Both).unwrap();
        assert_eq!(child.join().unwrap(), 0);
        drop(silent);
    });
}

#[test]
fn a_unix_listener_without_room_is_tried_until_it_has() {
    everywhere(|| {
        let path = socket_path();
        let missing = UnixStream::connect(&*path).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&*path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let filling = UnixStream::connect(&*path).unwrap();
        let error = UnixStream::connect_timeout(&*path, SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);

        let accepting = thread::spawn(move || (listener.accept().unwrap(), listener));
        let mut stream = UnixStream::connect_timeout(&*path, DEADLINE).unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(stream.local_addr().unwrap().is_unnamed());
        let (first, listener) = accepting.join().unwrap();
        stream.write_all(b"x").unwrap();
        drop((first, filling));
        let mut second = std_unix::UnixStream::from(listener.accept().unwrap().0);
        assert_eq!(second.read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn an_abstract_address_is_connected_to() {
    use std::os::linux::net::SocketAddrExt;

    everywhere(|| {
        let name = format!("socketserver-net-{}", std::process::id());
        let address = std_unix::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let listener = std_unix::UnixListener::bind_addr(&address).unwrap();
        let stream = UnixStream::connect_addr(&address).unwrap();
        let peer = stream.peer_addr().unwrap();
        assert_eq!(peer.as_abstract_name(), Some(name.as_bytes()));
        drop(listener);
        let refused = UnixStream::connect_addr(&address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(UnixStream::connect("/a/\0/zero").is_err());
    });
}

#[test]
fn a_stream_of_std_is_taken_over_and_given_back() {
    everywhere(|| {
        let (ours, mut theirs) = std_unix::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        ours.set_read_timeout(Some(SHORT)).unwrap();
        let number = ours.as_raw_fd();
        let mut stream = UnixStream::from(ours);
        assert_eq!(stream.read_timeout(), Some(SHORT));
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        theirs.write_all(b"x").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);

        let clone = stream.try_clone().unwrap();
        let mut duplicate = stream.into_std().unwrap();
        assert_ne!(duplicate.as_raw_fd(), number);
        let mut same = clone.into_std().unwrap();
        assert_eq!(same.as_raw_fd(), number);
        theirs.write_all(b"xx").unwrap();
        assert_eq!(duplicate.read(&mut [0; 1]).unwrap(), 1);
        assert_eq!(same.read(&mut [0; 1]).unwrap(), 1);
    });
}

/// Waits, by way of the crate, on a socket that no worker has adopted.
fn works_on_a_foreign_socket() {
    let (ours, mut theirs) = std_unix::UnixStream::pair().unwrap();
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        theirs.write_all(b"x").unwrap();
        theirs
    });
    let len = socketserver_coroutine::io::recv(ours.as_fd(), &mut [0; 8], Some(DEADLINE));
    assert_eq!(len.unwrap(), 1);
    drop(writer.join().unwrap());
}

#[test]
fn a_number_is_free_for_another_socket_however_its_stream_ended() {
    let _alone = testkit::alone();
    in_coroutines(|| {
        /// One that has found its socket empty, so that its worker knows it.
        fn known() -> UnixStream {
            let (ours, theirs) = std_unix::UnixStream::pair().unwrap();
            let mut stream = UnixStream::from(ours);
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!(stream.read(&mut [0; 8]).is_err());
            drop(theirs);
            stream
        }

        let before = descriptors().len();
        drop(known());
        works_on_a_foreign_socket();

        let stream = known();
        thread::spawn(move || drop(stream)).join().unwrap();
        works_on_a_foreign_socket();

        let child = spawn(|| {
            let _stream = known();
            std::panic::resume_unwind(Box::new("as a test wants"));
        });
        assert!(child.join().is_err());
        works_on_a_foreign_socket();

        let std = known().into_std().unwrap();
        works_on_a_foreign_socket();
        drop(std);
        let stream = known();
        drop(thread::spawn(move || stream.into_std().unwrap()).join().unwrap());
        works_on_a_foreign_socket();
        while descriptors().len() > before {
            yield_now();
        }
    });
}

/// A wait that is cut at once has asked the kernel for something all the same.
#[test]
fn a_wait_that_was_cut_takes_nothing_from_the_next_socket_of_its_number() {
    fn wait_and_look() {
        assert!(catch_unwind(|| socketserver_coroutine::sleep(DEADLINE)).is_err());
        for _ in 0..3 {
            let (ours, theirs) = std_unix::UnixStream::pair().unwrap();
            let number = ours.as_raw_fd();
            let mut stream = UnixStream::from(ours);
            let cut = stream.read(&mut [0; 8]).unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::ConnectionAborted);
            drop(stream);
            let (mut next, mut peer) = std_unix::UnixStream::pair().unwrap();
            assert_eq!(next.as_raw_fd(), number);
            peer.write_all(b"x").unwrap();
            (0..3).for_each(|_| yield_now());
            next.set_nonblocking(true).unwrap();
            assert_eq!(next.read(&mut [0; 8]).unwrap(), 1);
            drop(theirs);
        }
    }

    let _alone = testkit::alone();
    for backend in [Backend::Auto, Backend::Epoll] {
        let mut config = Config::default();
        config.backend = backend;
        let child = run(&config, || {
            let child = spawn(wait_and_look);
            yield_now();
            child
        });
        // It has been cut as that ended, and has run to its end.
        child.unwrap().join().unwrap();
    }
}

#[test]
fn a_stream_outlives_its_worker() {
    let _alone = testkit::alone();
    let (send, receive) = mpsc::channel();
    run(&Config::default(), move || {
        let (ours, theirs) = std_unix::UnixStream::pair().unwrap();
        send.send((UnixStream::from(ours), theirs)).unwrap();
    })
    .unwrap();
    let (mut stream, mut theirs) = receive.recv().unwrap();
    stream.write_all(b"x").unwrap();
    assert_eq!(theirs.read(&mut [0; 8]).unwrap(), 1);
    drop(stream);
    assert_eq!(theirs.read(&mut [0; 8]).unwrap(), 0, "it is closed");
}

#[test]
fn a_coroutine_that_is_cut_is_told_so_and_its_stream_is_closed() {
    let _alone = testkit::alone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (full, _full) = full_server();
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&kinds);
    let child = run(&Config::default(), move || {
        let (told, begun) = channel(0);
        let child = spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            told.send(()).unwrap();
            let error = stream.read(&mut [0; 8]).unwrap_err();
            noted.lock().unwrap().push(error.kind());
            let error = TcpStream::connect(full).unwrap_err();
            noted.lock().unwrap().push(error.kind());
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _stream = stream;
                socketserver_coroutine::sleep(DEADLINE);
            }));
            assert!(unwound.unwrap_err().is::<Cut>());
        });
        begun.recv().unwrap();
        yield_now();
        child
    });
    child.unwrap().join().unwrap();
    assert_eq!(*kinds.lock().unwrap(), [ErrorKind::ConnectionAborted; 2]);
    let mut client = listener.accept().unwrap().0;
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_proxy_is_twenty_lines() {
    fn forward(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match from.read(&mut buffer)? {
                0 => return to.shutdown(Shutdown::Write),
                len => to.write_all(&buffer[..len])?,
            }
        }
    }

    everywhere(|| {
        let (upstream, server) = echo_server(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"through two of them").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let client_side = TcpStream::from(listener.accept().unwrap().0);
        let server_side = TcpStream::connect(upstream).unwrap();
        let (from, to) = (client_side.try_clone().unwrap(), server_side.try_clone().unwrap());
        let child = spawn(move || forward(from, to).unwrap());
        forward(server_side, client_side).unwrap();
        child.join().unwrap();
        assert_eq!(client.join().unwrap(), "through two of them");
        server.join().unwrap();
    });
}
