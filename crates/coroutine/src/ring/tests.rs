//! What a ring does, and that it leaves nothing behind.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};
use std::{fs, io};

use testkit::{DEADLINE, alone};

use super::{Carried, Completion, Config, Peer, Ring};

mod echo;
mod life;
mod process;

const SMALL: Config = Config { entries: 8, buffer_count: 4, buffer_size: 64 };

fn ring(config: &Config) -> Ring {
    Ring::new(config).unwrap()
}

/// The next completion, which must come before the deadline.
#[track_caller]
fn next(ring: &mut Ring) -> Completion {
    let begun = Instant::now();
    loop {
        if let Some(completion) = ring.pop() {
            return completion;
        }
        assert!(begun.elapsed() < DEADLINE, "no completion");
        ring.submit_and_wait(1, Some(DEADLINE)).unwrap();
    }
}

/// Submits, and sees that nothing is complete.
#[track_caller]
fn nothing_yet(ring: &mut Ring) {
    ring.submit_and_wait(0, None).unwrap();
    assert!(ring.pop().is_none(), "it is complete already");
}

fn code(completion: &Completion) -> Option<i32> {
    completion.result.as_ref().err().and_then(io::Error::raw_os_error)
}

fn loopback() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = loopback();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

fn bytes(completion: &Completion) -> &[u8] {
    match &completion.carried {
        Carried::Buffer(buffer) => buffer,
        other => panic!("no buffer, but {other:?}"),
    }
}

/// The threads that the kernel runs for io_uring in this process.
fn kernel_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("iou-"))
        .count()
}

#[test]
fn the_probe_succeeds_where_the_ring_works() {
    let _alone = alone();
    let probed = Ring::probe();
    let made = Ring::new(&SMALL);
    assert_eq!(probed.is_ok(), made.is_ok(), "{probed:?}, {made:?}");
}

#[test]
fn an_accept_tells_who_has_connected_and_the_socket_blocks_and_is_closed_on_exec() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    ring.accept(&listener, 7);
    nothing_yet(&mut ring);
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let completion = next(&mut ring);
    assert_eq!((completion.token, completion.more), (7, false));
    let Carried::Socket(socket, Peer::Inet(peer)) = completion.carried else {
        panic!("no socket, but {:?}", completion.carried)
    };
    assert_eq!(peer, client.local_addr().unwrap());
    assert!(!rustix::fs::fcntl_getfl(&socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    let flags = rustix::io::fcntl_getfd(&socket).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn eight_accepts_in_flight_tell_eight_addresses() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    for token in 0..8 {
        ring.accept(&listener, token);
    }
    nothing_yet(&mut ring);
    let connect = |_| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let clients: Vec<_> = (0..8).map(connect).collect();
    let mut tokens = HashSet::new();
    let mut told = HashSet::new();
    for _ in 0..8 {
        let completion = next(&mut ring);
        tokens.insert(completion.token);
        let Carried::Socket(socket, Peer::Inet(peer)) = completion.carried else {
            panic!("no socket")
        };
        assert_eq!(TcpStream::from(socket).peer_addr().unwrap(), peer);
        told.insert(peer);
    }
    let real: HashSet<SocketAddr> =
        clients.iter().map(|client| client.local_addr().unwrap()).collect();
    assert_eq!(told, real);
    assert_eq!(tokens, (0..8).collect());
}

#[test]
fn an_accept_of_a_unix_socket_tells_the_name_that_the_client_has_bound() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let folder = testkit::socket_path();
    let listener = UnixListener::bind(&folder).unwrap();
    ring.accept(&listener, 0);
    let _unnamed = UnixStream::connect(&folder).unwrap();
    let completion = next(&mut ring);
    assert!(matches!(completion.carried, Carried::Socket(_, Peer::Unix(None))), "{completion:?}");

    let name = testkit::socket_path();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&name).unwrap()).unwrap();
    ring.accept(&listener, 1);
    socket.connect(&socket2::SockAddr::unix(&folder).unwrap()).unwrap();
    let Carried::Socket(_, Peer::Unix(Some(peer))) = next(&mut ring).carried else {
        panic!("no name")
    };
    assert_eq!(peer.as_pathname(), Some(name.as_ref()));
}

#[test]
fn a_multishot_accept_goes_on() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    let operation = ring.accept_multi(&listener, 5);
    for _ in 0..3 {
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let completion = next(&mut ring);
        assert!(completion.more);
        assert!(matches!(completion.carried, Carried::Socket(_, Peer::Unknown)));
    }
    ring.cancel(operation);
    let last = next(&mut ring);
    assert_eq!((last.token, last.more, code(&last)), (5, false, Some(libc::ECANCELED)));
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn a_receive_takes_no_more_than_it_was_told_and_says_that_there_is_more() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    client.write_all(b"Hello").unwrap();
    ring.recv(&server, 2, 1);
    let completion = next(&mut ring);
    assert_eq!((completion.token, bytes(&completion)), (1, &b"He"[..]));
    assert!(completion.nonempty);
    ring.recv_later(&server, 0, 2);
    let completion = next(&mut ring);
    assert_eq!((completion.token, bytes(&completion)), (2, &b"llo"[..]));
    assert!(!completion.nonempty);
    client.shutdown(Shutdown::Write).unwrap();
    ring.recv(&server, 0, 3);
    assert_eq!(next(&mut ring).result.unwrap(), 0);
}

#[test]
fn a_multishot_receive_goes_on_until_the_end_of_the_input() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    ring.recv_multi(&server, 1);
    for word in ["one", "two", "three"] {
        client.write_all(word.as_bytes()).unwrap();
        let completion = next(&mut ring);
        assert_eq!(bytes(&completion), word.as_bytes());
        assert!(completion.more);
    }
    client.shutdown(Shutdown::Write).unwrap();
    let completion = next(&mut ring);
    assert_eq!((completion.result.unwrap(), completion.more), (0, false));
    assert_eq!(ring.in_flight(), 0);
}

/// Whoever keeps all buffers stops the receives, and a dropped buffer lets them go on.
#[test]
fn without_a_buffer_a_receive_fails_with_enobufs_and_loses_nothing() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let mut kept = Vec::new();
    for word in [b"0", b"1", b"2", b"3"] {
        client.write_all(word).unwrap();
        ring.recv(&server, 0, 0);
        kept.push(next(&mut ring));
    }
    client.write_all(b"4").unwrap();
    for push in [Ring::recv, Ring::recv_later] {
        push(&mut ring, &server, 0, 0);
        assert_eq!(code(&next(&mut ring)), Some(libc::ENOBUFS));
    }
    ring.recv_multi(&server, 0);
    let completion = next(&mut ring);
    assert_eq!((code(&completion), completion.more), (Some(libc::ENOBUFS), false));
    assert_eq!(bytes(&kept.remove(2)), b"2");
    ring.recv(&server, 0, 0);
    let last = next(&mut ring);
    assert_eq!(bytes(&last), b"4");
    assert_eq!(kept.iter().map(bytes).collect::<Vec<_>>().concat(), b"013");
}

/// Many more than there are buffers, kept for a while and given back in another order.
#[test]
fn buffers_come_back_in_any_order() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let mut kept = Vec::new();
    for round in 0..1000_u32 {
        client.write_all(&round.to_be_bytes()).unwrap();
        ring.recv(&server, 0, 0);
        kept.push((round, next(&mut ring)));
        if kept.len() == 4 {
            let (told, completion) = kept.swap_remove(round as usize % 3);
            assert_eq!(bytes(&completion), told.to_be_bytes());
        }
    }
}

#[test]
fn a_send_sends_the_range_and_gives_the_vec_back() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let bytes = b"Hello, world".to_vec();
    let address = bytes.as_ptr();
    ring.send(&server, bytes, 7..12, 9);
    let completion = next(&mut ring);
    assert_eq!((completion.token, completion.result.unwrap()), (9, 5));
    let Carried::Bytes(bytes) = completion.carried else { panic!("no bytes") };
    assert_eq!((bytes.as_ptr(), &bytes[..]), (address, &b"Hello, world"[..]));
    let mut got = [0; 5];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"world");
}

#[test]
fn a_send_of_more_than_the_socket_takes_completes_when_all_is_taken() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let length = 20 << 20;
    ring.send(&server, vec![7; length], 0..length, 1);
    nothing_yet(&mut ring);
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; length];
        client.read_exact(&mut got).unwrap();
        got.iter().all(|&byte| byte == 7)
    });
    assert_eq!(next(&mut ring).result.unwrap() as usize, length);
    assert!(reader.join().unwrap());
}

#[test]
fn a_send_to_a_closed_connection_fails_with_epipe_and_no_signal() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, client) = UnixStream::pair().unwrap();
    drop(client);
    ring.send(&server, vec![1], 0..1, 1);
    let completion = next(&mut ring);
    assert_eq!(code(&completion), Some(libc::EPIPE));
    assert!(matches!(completion.carried, Carried::Bytes(bytes) if bytes == [1]));
}

#[test]
fn a_poll_tells_the_events_and_a_multishot_one_goes_on() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let input = libc::POLLIN as u32;
    ring.poll(&server, input, 1);
    let multi = ring.poll_multi(&server, input, 2);
    nothing_yet(&mut ring);
    client.write_all(b"a").unwrap();
    let mut seen = [next(&mut ring), next(&mut ring)];
    seen.sort_by_key(|completion| completion.token);
    assert!(!seen[0].more && seen[1].more);
    assert!(seen.iter().all(|c| *c.result.as_ref().unwrap() & input != 0), "{seen:?}");
    client.write_all(b"b").unwrap();
    assert!(next(&mut ring).more);
    ring.cancel(multi);
    assert_eq!(code(&next(&mut ring)), Some(libc::ECANCELED));
}

#[test]
fn a_close_has_no_completion_and_ends_the_connection() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let number = server.as_raw_fd();
    ring.send(&server, b"bye".to_vec(), 0..3, 1);
    ring.close(OwnedFd::from(server));
    assert_eq!(next(&mut ring).token, 1);
    nothing_yet(&mut ring);
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"bye");
    assert!(!testkit::descriptors().contains_key(&number));
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn a_full_queue_submits_by_itself() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    for token in 0..100 {
        ring.send(&server, vec![token as u8], 0..1, token);
    }
    assert!(ring.enters() > 0);
    for token in 0..100 {
        assert_eq!(next(&mut ring).token, token);
    }
    let mut got = [0; 100];
    client.read_exact(&mut got).unwrap();
    assert!(got.iter().copied().eq(0..100));
}

/// More completions than the completion queue holds.
#[test]
fn no_completion_is_lost_when_they_overflow() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, _client) = pair();
    for token in 0..1000 {
        ring.poll(&server, libc::POLLOUT as u32, token);
    }
    let tokens: HashSet<_> = (0..1000).map(|_| next(&mut ring).token).collect();
    assert_eq!(tokens, (0..1000).collect());
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn waiting_ends_at_the_timeout_and_costs_no_call_when_there_is_nothing_to_wait_for() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let before = ring.enters();
    for timeout in [None, Some(Duration::ZERO)] {
        ring.submit_and_wait(0, timeout).unwrap();
    }
    ring.submit_and_wait(1, Some(Duration::ZERO)).unwrap();
    assert_eq!(ring.enters(), before);
    let begun = Instant::now();
    ring.submit_and_wait(1, Some(Duration::from_millis(20))).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(20));
    assert_eq!(ring.enters(), before + 1);
    assert!(ring.pop().is_none());
    // Longer than the kernel can count: it waits, rather than to fail.
    let (server, _client) = pair();
    ring.poll(&server, libc::POLLOUT as u32, 1);
    ring.submit_and_wait(1, Some(Duration::MAX)).unwrap();
    assert_eq!(next(&mut ring).token, 1);
}

#[test]
fn what_happens_meanwhile_is_seen_without_waiting() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    ring.recv(&server, 0, 1);
    nothing_yet(&mut ring);
    client.write_all(b"x").unwrap();
    let begun = Instant::now();
    while ring.pop().is_none() {
        assert!(begun.elapsed() < DEADLINE);
        ring.submit_and_wait(0, None).unwrap();
    }
}

#[test]
fn the_count_of_buffers_is_a_power_of_two() {
    let _alone = alone();
    for buffer_count in [0, 3, 40000] {
        let error = Ring::new(&Config { buffer_count, ..SMALL }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_range_beyond_the_bytes_panics_and_leaves_the_ring_usable() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, _client) = pair();
    let push = std::panic::AssertUnwindSafe(|| ring.send(&server, vec![0], 0..2, 1));
    assert!(std::panic::catch_unwind(push).is_err());
    assert_eq!(ring.in_flight(), 0);
    ring.send(&server, vec![0], 0..1, 1);
    assert_eq!(next(&mut ring).result.unwrap(), 1);
}

#[test]
fn no_operation_needs_a_thread_of_the_kernel() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    let (server, client) = pair();
    ring.accept(&listener, 1);
    ring.recv(&server, 0, 2);
    ring.send(&server, vec![0; 20 << 20], 0..20 << 20, 3);
    ring.poll(&client, libc::POLLPRI as u32, 4);
    nothing_yet(&mut ring);
    ring.close(pair().0.into());
    ring.cancel_all();
    for _ in 0..4 {
        next(&mut ring);
    }
    drop(ring);
    assert_eq!(kernel_threads(), 0);
}

/// Nor does it matter whether the descriptors block.
#[test]
fn timeouts_of_the_sockets_do_not_count() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let listener = loopback();
    server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (nonblocking, mut client_of_nonblocking) = pair();
    nonblocking.set_nonblocking(true).unwrap();
    ring.recv(&server, 0, 1);
    ring.recv(&nonblocking, 0, 2);
    ring.accept(&listener, 3);
    ring.submit_and_wait(1, Some(Duration::from_millis(20))).unwrap();
    nothing_yet(&mut ring);
    client.write_all(b"1").unwrap();
    assert_eq!(bytes(&next(&mut ring)), b"1");
    client_of_nonblocking.write_all(b"2").unwrap();
    assert_eq!(bytes(&next(&mut ring)), b"2");
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(next(&mut ring).token, 3);
}
