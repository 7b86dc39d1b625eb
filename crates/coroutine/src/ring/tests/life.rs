//! Cancelling, and what is left when a ring is dropped.

use super::*;

#[test]
fn a_cancelled_operation_completes_with_ecanceled() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    let (server, _client) = pair();
    let waiting = [
        ring.accept(&listener, 0),
        ring.accept_multi(&listener, 1),
        ring.recv(&server, 0, 2),
        ring.recv_later(&server, 0, 3),
        ring.recv_multi(&server, 4),
        ring.poll(&server, libc::POLLIN as u32, 5),
        ring.poll_multi(&server, libc::POLLIN as u32, 6),
    ];
    nothing_yet(&mut ring);
    for (token, operation) in (0..).zip(waiting) {
        ring.cancel(operation);
        let completion = next(&mut ring);
        assert_eq!(completion.token, token);
        assert_eq!(code(&completion), Some(libc::ECANCELED), "{token}");
        assert!(!completion.more);
    }
    assert_eq!(ring.in_flight(), 0);
}

/// Pushed and cancelled by one system call.
#[test]
fn an_operation_is_cancelled_before_it_was_submitted() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, _client) = pair();
    let operation = ring.recv(&server, 0, 1);
    ring.cancel(operation);
    assert_eq!(code(&next(&mut ring)), Some(libc::ECANCELED));
}

#[test]
fn a_send_is_cancelled_and_tells_what_it_has_sent() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, client) = pair();
    let length = 20 << 20;
    let operation = ring.send(&server, vec![7; length], 0..length, 1);
    nothing_yet(&mut ring);
    ring.cancel(operation);
    let completion = next(&mut ring);
    let sent = completion.result.unwrap() as usize;
    assert!(sent > 0 && sent < length, "{sent}");
    assert!(matches!(completion.carried, Carried::Bytes(bytes) if bytes.len() == length));
    drop((server, ring));
    assert_eq!(io::copy(&mut &client, &mut io::sink()).unwrap(), sent as u64);
}

/// The name of an operation that is over is not that of the one in its slot.
#[test]
fn a_late_cancel_does_not_hit_another_operation() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    client.write_all(b"a").unwrap();
    let over = ring.recv(&server, 0, 1);
    assert_eq!(bytes(&next(&mut ring)), b"a");
    let waiting = ring.recv(&server, 0, 2);
    assert_ne!(over, waiting);
    ring.cancel(over);
    nothing_yet(&mut ring);
    client.write_all(b"b").unwrap();
    assert_eq!(bytes(&next(&mut ring)), b"b");
}

#[test]
fn all_on_a_descriptor_are_cancelled_and_none_on_others() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    let (other, mut client_of_other) = pair();
    ring.recv(&server, 0, 1);
    ring.poll(&server, libc::POLLIN as u32, 2);
    ring.recv(&other, 0, 3);
    nothing_yet(&mut ring);
    ring.cancel_fd(&server);
    let mut cancelled = [next(&mut ring), next(&mut ring)];
    cancelled.sort_by_key(|completion| completion.token);
    assert_eq!(cancelled.each_ref().map(|c| c.token), [1, 2]);
    assert!(cancelled.iter().all(|c| code(c) == Some(libc::ECANCELED)));
    nothing_yet(&mut ring);
    client.write_all(b"lost").unwrap();
    client_of_other.write_all(b"x").unwrap();
    assert_eq!(next(&mut ring).token, 3);
}

#[test]
fn a_cancelled_accept_lets_go_of_the_port() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let operation = ring.accept(&listener, 1);
    nothing_yet(&mut ring);
    ring.cancel(operation);
    assert_eq!(code(&next(&mut ring)), Some(libc::ECANCELED));
    drop(listener);
    TcpStream::connect(address).unwrap_err();
    TcpListener::bind(address).unwrap();
}

#[test]
fn a_dropped_ring_lets_go_of_listeners_and_connections() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let (server, mut client) = pair();
    for token in 0..20 {
        ring.accept(&listener, token);
        ring.recv(&server, 0, token);
    }
    ring.accept_multi(&listener, 0);
    ring.recv_multi(&server, 0);
    nothing_yet(&mut ring);
    // Not submitted.
    ring.poll(&server, libc::POLLIN as u32, 0);
    drop(ring);
    drop((listener, server));
    TcpListener::bind(address).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// `alone` sees to it that the descriptors are closed.
#[test]
fn connections_that_were_accepted_and_not_popped_are_closed() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let listener = loopback();
    ring.accept_multi(&listener, 1);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ring.submit_and_wait(1, Some(DEADLINE)).unwrap();
    drop(ring);
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_buffer_outlives_its_ring() {
    let _alone = alone();
    let mut ring = ring(&SMALL);
    let (server, mut client) = pair();
    client.write_all(b"still here").unwrap();
    ring.recv_multi(&server, 0);
    let Carried::Buffer(buffer) = next(&mut ring).carried else { panic!("no buffer") };
    drop(ring);
    client.write_all(b"lost").unwrap();
    assert_eq!(&*buffer, b"still here");
}

#[test]
fn rings_are_made_and_dropped_many_times() {
    let _alone = alone();
    let (server, _client) = pair();
    for _ in 0..200 {
        let mut ring = ring(&Config::default());
        ring.recv_multi(&server, 0);
        nothing_yet(&mut ring);
    }
}
