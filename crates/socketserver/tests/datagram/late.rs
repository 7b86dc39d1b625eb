//! Replies that are sent when the request has ended, and when the server has.

use std::sync::Arc;
use std::sync::mpsc::channel;

use socketserver::transport::Packet;
use socketserver::{
    Address, DatagramRequest, HandlerFn, Result, ThreadingUdpServer, UdpServer, UnixDatagramServer,
};
use testkit::{DEADLINE, Gate, alone, datagram_client, socket_path, unix_datagram_client};

use crate::noting::{Noting, stop};

/// Hands each packet on, with its client's address.
type Handed = (Arc<Packet>, Address);

macro_rules! handing {
    ($alias:ident, $address:expr) => {{
        let (sender, receiver) = channel::<Handed>();
        let hand_on = move |request: &mut DatagramRequest<'_>| -> Result {
            Ok(sender.send((Arc::clone(request.datagram()), request.client_address.clone()))?)
        };
        let server = $alias::bind($address, move || HandlerFn::new(hand_on.clone())).unwrap();
        (server, receiver)
    }};
}

/// A57: the handler has returned, and the server has taken other requests since.
#[test]
fn another_thread_may_answer_when_the_request_has_ended() {
    let _alone = alone();
    let (server, packets) = handing!(UdpServer, "127.0.0.1:0");
    let server = server.spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"one").unwrap();
    client.send(b"two").unwrap();
    let answering = std::thread::spawn(move || {
        let one = packets.recv_timeout(DEADLINE).unwrap();
        let two = packets.recv_timeout(DEADLINE).unwrap();
        for (packet, client_address) in [two, one] {
            packet.send_to(packet.data(), &client_address).unwrap();
        }
    });
    let mut buffer = [0; 3];
    for expected in [b"two", b"one"] {
        client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer, expected);
    }
    answering.join().unwrap();
    stop(server);
}

const EBADF: Option<i32> = Some(9);

/// A58: it fails, and never goes out on a socket that has got the same number since.
#[test]
fn a_reply_after_the_server_was_closed_fails() {
    let _alone = alone();
    let (server, packets) = handing!(UdpServer, "127.0.0.1:0");
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"packet").unwrap();
    server.handle_request().unwrap();
    let (packet, client_address) = packets.recv().unwrap();
    assert!(server.server_close(Some(DEADLINE)));
    // Whoever opens sockets now does not get the server's number.
    let others: Vec<_> = (0..20).map(|_| std::net::UdpSocket::bind("127.0.0.1:0")).collect();
    let error = packet.send_to(b"late", &client_address).unwrap_err();
    assert_eq!(error.raw_os_error(), EBADF);
    drop(server);
    let error = packet.send_to(b"later", &client_address).unwrap_err();
    assert_eq!(error.raw_os_error(), EBADF);
    drop(others);

    let path = socket_path();
    let (server, packets) = handing!(UnixDatagramServer, &path);
    let (client, _own) = unix_datagram_client(&path).unwrap();
    client.send(b"packet").unwrap();
    server.handle_request().unwrap();
    let (packet, client_address) = packets.recv().unwrap();
    drop(server);
    let error = packet.send_to(b"late", &client_address).unwrap_err();
    assert_eq!(error.raw_os_error(), EBADF);
}

/// A58: and if it is a handler's, still running, it goes to `handle_error`.
#[test]
fn a_handlers_reply_after_the_server_was_closed_goes_to_handle_error() {
    let _alone = alone();
    let gate = Arc::new(Gate::new());
    let held = Arc::clone(&gate);
    let waits = move |request: &mut DatagramRequest<'_, Noting>| -> Result {
        request.server.trace.note("held");
        held.pass();
        request.wfile = b"late".to_vec();
        Ok(())
    };
    let noting = Noting::default();
    let builder = ThreadingUdpServer::builder(move || HandlerFn::new(waits.clone()));
    let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"packet").unwrap();
    noting.trace.wait_for("held");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| server.server_close(Some(DEADLINE)));
        testkit::eventually("the close", || server.is_closed());
        gate.open();
        assert!(closing.join().unwrap());
    });
    stop(server);
    assert_eq!(noting.trace.texts(), ["held", "error: Bad file descriptor (os error 9)"]);
}
