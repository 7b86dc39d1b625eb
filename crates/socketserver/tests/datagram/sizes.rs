//! How long a datagram may be.

use std::os::unix::net::UnixDatagram;

use socketserver::{DatagramRequest, HandlerFn, Result, UdpServer, UnixDatagramServer};
use testkit::{DEADLINE, alone, datagram_client, socket_path, unix_datagram_client};

use crate::noting::{Noting, stop};

type Request<'a> = DatagramRequest<'a, Noting>;

/// The most that fits into one packet of IPv4.
const MOST: usize = 65_507;

fn echo(request: &mut Request<'_>) -> Result {
    request.wfile = request.packet.to_vec();
    Ok(())
}

/// Answers with how much has come, and whether that was all.
fn measure(request: &mut Request<'_>) -> Result {
    let (len, cut) = (request.packet.len(), request.is_truncated());
    request.wfile = format!("{len} {cut}").into_bytes();
    Ok(())
}

/// B22: Python reads 8 KiB, and says nothing of the rest.
#[test]
fn a_datagram_of_the_greatest_size_comes_and_goes_whole() {
    let _alone = alone();
    let builder = UdpServer::builder(|| HandlerFn::new(echo)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    let sent: Vec<u8> = (0..MOST).map(|at| (at % 251) as u8).collect();
    client.send(&sent).unwrap();
    let mut reply = vec![0; 2 * MOST];
    let len = client.recv(&mut reply).unwrap();
    assert!(reply[..len] == sent, "{len} bytes");
    stop(server);
}

/// B22: where the size is limited, the handler is told.
#[test]
fn a_datagram_that_is_longer_than_allowed_is_told_to_be_truncated() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr, $client:expr) => {
            let builder = $alias::builder(|| HandlerFn::new(measure)).server(Noting::default());
            let server = builder.max_packet_size(10).bind($address).unwrap().spawn().unwrap();
            let client = $client(server.server_address());
            for (len, reply) in [(0, "0 false"), (10, "10 false"), (11, "10 true"), (9, "9 false")]
            {
                client.send(&vec![b'x'; len]).unwrap();
                let mut buffer = [0; 64];
                let len = client.recv(&mut buffer).unwrap();
                assert_eq!(String::from_utf8_lossy(&buffer[..len]), reply);
            }
            stop(server);
        };
    }
    check!(UdpServer, "127.0.0.1:0", |address: &socketserver::Address| {
        datagram_client(address.as_inet().unwrap()).unwrap()
    });
    let (client, _own) = {
        let own = socket_path();
        let client = UnixDatagram::bind(&own).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        (client, own)
    };
    check!(UnixDatagramServer, &path, |address: &socketserver::Address| {
        client.connect(address.as_path().unwrap()).unwrap();
        &client
    });
}

/// B22: a Unix datagram may be longer than any of UDP.
#[test]
fn a_unix_datagram_of_more_than_64_kib_is_told_to_be_truncated_unless_it_is_allowed() {
    let _alone = alone();
    const LEN: usize = 100_000;
    let path = socket_path();
    for (size, reply) in [(None, "65536 true"), (Some(LEN), "100000 false")] {
        let builder = UnixDatagramServer::builder(|| HandlerFn::new(measure));
        let builder = builder.server(Noting::default());
        let builder = match size {
            Some(size) => builder.max_packet_size(size),
            None => builder,
        };
        let server = builder.bind(&path).unwrap().spawn().unwrap();
        let (client, _own) = unix_datagram_client(&path).unwrap();
        client.send(&[b'x'; LEN]).unwrap();
        let mut buffer = [0; 64];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..len]), reply);
        stop(server);
    }
}

/// A92: and the next client is served.
#[test]
fn a_reply_that_is_too_big_goes_to_handle_error() {
    let _alone = alone();
    fn grows(request: &mut Request<'_>) -> Result {
        request.wfile = vec![b'x'; request.packet.len() * 1000];
        Ok(())
    }
    let noting = Noting::default();
    let builder = UdpServer::builder(|| HandlerFn::new(grows)).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(&[b'x'; 70]).unwrap();
    client.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0; 2000]).unwrap(), 1000);
    stop(server);
    assert_eq!(noting.trace.texts(), ["error: Message too long (os error 90)"]);
}
