//! Where a server is bound, and who its clients are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socketserver::transport::{Tcp, Transport};
use socketserver::{
    Address, Background, DatagramRequest, HandlerFn, Result, StreamRequest, TcpServer,
    ThreadingTcpServer, UdpServer, handler_fn,
};
use testkit::{Connect, DEADLINE, datagram_client};

/// Tells the client who it is.
fn who(request: &mut StreamRequest<'_>) -> Result {
    use std::io::Write;

    Ok(write!(request.wfile, "{}", request.client_address)?)
}

/// Tells the client who it is, and at which address it asked.
fn whom(request: &mut DatagramRequest<'_>) -> Result {
    let destination = request.datagram().destination();
    request.wfile = format!("{} {destination:?}", request.client_address).into_bytes();
    Ok(())
}

fn inet(address: &Address) -> SocketAddr {
    address.as_inet().unwrap()
}

/// A client of this family, and what the server says who it is.
fn ask(server: SocketAddr) -> (SocketAddr, String) {
    let socket = std::net::TcpStream::connect_timeout(&server, DEADLINE).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let told = std::io::read_to_string(&socket).unwrap();
    (socket.local_addr().unwrap(), told)
}

/// A16.
#[test]
fn port_0_becomes_the_port_that_was_had() {
    let _alone = testkit::alone();
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(who)).unwrap();
    let address = inet(server.server_address());
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(address.port(), 0);
    assert_eq!(address, server.socket().local_addr().unwrap());
    assert_eq!(server.server_address().to_string(), address.to_string());
    let other = TcpServer::bind("127.0.0.1:0", handler_fn(who)).unwrap();
    assert_ne!(inet(other.server_address()).port(), address.port());
}

/// A16, B33: anything that stands for addresses.
#[test]
fn an_address_is_a_text_a_name_a_pair_or_a_value() {
    let _alone = testkit::alone();
    let value: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let several = [value, value];
    let servers = [
        TcpServer::bind("localhost:0", handler_fn(who)),
        TcpServer::bind(("localhost", 0), handler_fn(who)),
        TcpServer::bind((Ipv4Addr::LOCALHOST, 0), handler_fn(who)),
        TcpServer::bind(value, handler_fn(who)),
        TcpServer::bind(&several[..], handler_fn(who)),
    ];
    for server in servers {
        assert!(inet(server.unwrap().server_address()).ip().is_loopback());
    }
}

/// B33: the family is that of the address.
#[test]
fn a_server_is_bound_over_ipv6() {
    let _alone = testkit::alone();
    let server = TcpServer::bind("[::1]:0", handler_fn(who)).unwrap().spawn().unwrap();
    let address = inet(server.server_address());
    assert_eq!(address.ip(), Ipv6Addr::LOCALHOST);
    assert_eq!(server.server_address().to_string(), format!("[::1]:{}", address.port()));
    let (client, told) = ask(address);
    assert_eq!(told, client.to_string());
    server.stop(Some(DEADLINE)).unwrap();
}

/// B33: an IPv4 client of an IPv6 socket is known by its IPv4 address.
#[test]
fn a_dual_stack_server_knows_its_clients_by_their_own_addresses() {
    let _alone = testkit::alone();
    let server = ThreadingTcpServer::bind("[::]:0", handler_fn(who)).unwrap().spawn().unwrap();
    let port = inet(server.server_address()).port();
    for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let (client, told) = ask((loopback, port).into());
        assert_eq!(told, client.to_string());
    }
    server.stop(Some(DEADLINE)).unwrap();
}

/// B23, B33: and so over UDP, and the reply leaves from the address that was asked.
#[test]
fn a_dual_stack_datagram_server_answers_from_where_it_was_asked() {
    let _alone = testkit::alone();
    let server = UdpServer::bind("[::]:0", || HandlerFn::new(whom)).unwrap().spawn().unwrap();
    let port = inet(server.server_address()).port();
    for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        // Connected, so that an answer from elsewhere does not arrive.
        let client = datagram_client((loopback, port).into()).unwrap();
        client.send(b"who?").unwrap();
        let mut buffer = [0; 100];
        let len = client.recv(&mut buffer).unwrap();
        let told = String::from_utf8_lossy(&buffer[..len]).into_owned();
        let own = client.local_addr().unwrap();
        assert_eq!(told, format!("{own} Some({loopback})"));
    }
    server.stop(Some(DEADLINE)).unwrap();
}

/// B33.
#[test]
fn a_server_leaves_ipv4_alone_when_it_is_told_so() {
    let _alone = testkit::alone();
    let server = TcpServer::builder(handler_fn(who)).ipv6_only(true).bind("[::]:0").unwrap();
    let port = inet(server.server_address()).port();
    let v4 = Connect::Tcp((Ipv4Addr::LOCALHOST, port).into()).connect();
    assert_eq!(v4.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(Connect::Tcp((Ipv6Addr::LOCALHOST, port).into()).connect().is_ok());
}

/// A16: `''` is Python's word for the wildcard.
#[test]
fn a_server_is_bound_to_all_addresses_of_the_host() {
    let _alone = testkit::alone();
    let server: Background<Tcp, _, _> =
        TcpServer::bind("0.0.0.0:0", handler_fn(who)).unwrap().spawn().unwrap();
    let address = inet(server.server_address());
    assert!(address.ip().is_unspecified());
    let (client, told) = ask((Ipv4Addr::new(127, 0, 0, 5), address.port()).into());
    assert_eq!(told, client.to_string());
    assert_eq!(
        server.transport().server_address(server.socket()).unwrap(),
        *server.server_address()
    );
    server.stop(Some(DEADLINE)).unwrap();
}
