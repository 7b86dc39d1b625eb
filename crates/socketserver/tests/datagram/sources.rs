//! Where a reply comes from: the address that was asked, on a server with several.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socketserver::{Address, DatagramRequest, HandlerFn, Result, UdpServer};
use testkit::{DEADLINE, alone};

use crate::noting::{Noting, stop};

type Request<'a> = DatagramRequest<'a, Noting>;

/// Answers with the address that was asked, as the server knows it, and with the client's.
fn tells(request: &mut Request<'_>) -> Result {
    let destination = request.datagram().destination();
    let destination = destination.map_or("unknown".to_owned(), |address| address.to_string());
    request.wfile = format!("{destination} {}", request.client_address.ip().unwrap()).into_bytes();
    Ok(())
}

/// Asks at `to`, and returns whence the reply came and what it was.
fn ask(own: IpAddr, to: SocketAddr) -> (SocketAddr, String) {
    let client = UdpSocket::bind((own, 0)).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.send_to(b"who are you?", to).unwrap();
    let mut buffer = [0; 2048];
    let (len, from) = client.recv_from(&mut buffer).unwrap();
    (from, String::from_utf8_lossy(&buffer[..len]).into_owned())
}

/// Checks that a server bound to `bound` answers at each of `addresses` from there.
fn answers_from(bound: &str, addresses: &[&str], known: bool) {
    let builder = UdpServer::builder(|| HandlerFn::new(tells)).server(Noting::default());
    let server = builder.bind(bound).unwrap().spawn().unwrap();
    let port = server.server_address().as_inet().unwrap().port();
    for address in addresses {
        let address: IpAddr = address.parse().unwrap();
        let own = match address {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) => address.into(),
        };
        let (from, reply) = ask(own, (address, port).into());
        assert_eq!(from, SocketAddr::from((address, port)), "on {bound}");
        let destination = if known { address.to_string() } else { "unknown".to_owned() };
        // An IPv4 client is known as one, on whatever socket.
        assert_eq!(reply, format!("{destination} {own}"), "on {bound}");
    }
    let trace = std::sync::Arc::clone(&server.server().trace);
    stop(server);
    assert!(trace.texts().is_empty(), "{:?}", trace.texts());
}

/// B23: Python's replies leave from 127.0.0.1, whichever address was asked, and a client that
/// has asked another drops them.
#[test]
fn a_reply_leaves_from_the_address_that_was_asked_over_ipv4() {
    let _alone = alone();
    answers_from("0.0.0.0:0", &["127.0.0.1", "127.0.0.2", "127.0.0.3"], true);
}

/// B23, B33.
#[test]
fn a_reply_leaves_from_the_address_that_was_asked_over_both_at_once() {
    let _alone = alone();
    answers_from("[::]:0", &["::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"], true);
}

/// B23: bound to one address, there is nothing to choose.
#[test]
fn a_server_bound_to_one_address_answers_from_it() {
    let _alone = alone();
    answers_from("127.0.0.2:0", &["127.0.0.2"], false);
    answers_from("[::1]:0", &["::1"], false);
}

/// B23: an IPv6 socket that is bound to an IPv4 address.
#[test]
fn a_server_bound_to_a_mapped_address_answers_from_it() {
    let _alone = alone();
    answers_from("[::ffff:127.0.0.2]:0", &["127.0.0.2"], true);
}

/// A57, B23: a reply to somebody else than the client. There is no one address that was asked
/// which could reach over both.
#[test]
fn a_reply_may_go_to_a_client_of_the_other_family() {
    let _alone = alone();
    fn relays(request: &mut Request<'_>) -> Result {
        let to: SocketAddr = std::str::from_utf8(request.packet)?.parse()?;
        request.send_to(b"relayed", &Address::from(to))?;
        Ok(())
    }
    let noting = Noting::default();
    let builder = UdpServer::builder(|| HandlerFn::new(relays)).server(noting.clone());
    let server = builder.bind("[::]:0").unwrap().spawn().unwrap();
    let port = server.server_address().as_inet().unwrap().port();
    let client = |address: &str| {
        let client = UdpSocket::bind((address, 0)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client
    };
    let (v4, v6) = (client("127.0.0.1"), client("::1"));
    for (asks, asked, gets) in [(&v4, "127.0.0.1", &v6), (&v6, "::1", &v4)] {
        let to = gets.local_addr().unwrap().to_string();
        asks.send_to(to.as_bytes(), (asked, port)).unwrap();
        let got = gets.recv_from(&mut [0; 64]);
        assert!(got.is_ok(), "{got:?} {:?}", noting.trace.texts());
    }
    stop(server);
}
