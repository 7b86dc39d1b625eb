//! When a reply is sent, and to whom.

use std::io::{BufRead, Read, Write};

use socketserver::transport::Datagram;
use socketserver::{
    Address, BaseRequest, BaseRequestHandler, DatagramRequest, DatagramRequestHandler,
    ForkingUdpServer, HandlerFn, Result, ThreadingUdpServer, UdpServer,
};
use testkit::{alone, datagram_client};

use crate::noting::{Noting, stop};

type Request<'a> = DatagramRequest<'a, Noting>;

/// Receives one packet as text.
macro_rules! text {
    ($client:expr) => {{
        let mut buffer = [0; 2048];
        let len = $client.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }};
}

/// Does as the packet says.
fn obeys(request: &mut Request<'_>) -> Result {
    let asked = std::str::from_utf8(request.packet)?;
    match asked {
        "hush" => {}
        "fail" => {
            write!(request.wfile, "half a rep")?;
            return Err("failed".into());
        }
        "panic" => {
            write!(request.wfile, "half a rep")?;
            panic!("too bad");
        }
        "empty" => request.send_reply()?,
        asked => write!(request.wfile, "you said {asked:?}")?,
    }
    Ok(())
}

/// B21: Python sends an empty packet for the first, and half a reply for the second. What comes
/// here is the reply to the packet after each, and nothing before it.
#[test]
fn nothing_is_sent_unless_something_was_written_and_the_handler_did_well() {
    let _alone = alone();
    for quiet in ["hush", "fail", "panic"] {
        let noting = Noting::default();
        let builder = UdpServer::builder(|| HandlerFn::new(obeys)).server(noting.clone());
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        client.send(quiet.as_bytes()).unwrap();
        client.send(b"hello").unwrap();
        assert_eq!(text!(client), r#"you said "hello""#);
        stop(server);
        let failures = usize::from(quiet != "hush");
        assert_eq!(noting.trace.texts().len(), failures, "{:?}", noting.trace.texts());
    }
}

/// B21, A91: an empty reply can be had, by asking for it.
#[test]
fn an_empty_reply_is_sent_when_the_handler_sends_it() {
    let _alone = alone();
    let builder = UdpServer::builder(|| HandlerFn::new(obeys)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"empty").unwrap();
    assert_eq!(text!(client), "");
    stop(server);
}

/// A55: a request as any other.
#[test]
fn an_empty_datagram_is_a_request() {
    let _alone = alone();
    let builder = UdpServer::builder(|| HandlerFn::new(obeys)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"").unwrap();
    assert_eq!(text!(client), r#"you said """#);
    stop(server);
}

/// A90: and lines can be read from it.
#[test]
fn the_packet_can_be_read_from_and_is_there_whole() {
    let _alone = alone();
    fn reads(request: &mut Request<'_>) -> Result {
        let mut line = String::new();
        request.rfile.read_line(&mut line)?;
        let mut rest = String::new();
        request.rfile.read_to_string(&mut rest)?;
        assert_eq!(request.packet, (line.clone() + &rest).as_bytes());
        Ok(write!(request.wfile, "{rest}{line}")?)
    }
    let builder = UdpServer::builder(|| HandlerFn::new(reads)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"first\nsecond\n").unwrap();
    assert_eq!(text!(client), "second\nfirst\n");
    stop(server);
}

/// A91: `finish` is the handler's to override, and the default is there to be called.
#[test]
fn finish_may_decide_about_the_reply() {
    struct Censored;
    impl DatagramRequestHandler<Noting> for Censored {
        fn handle(&mut self, request: &mut Request<'_>) -> Result {
            request.wfile = request.packet.to_vec();
            Ok(())
        }

        fn finish(&mut self, request: &mut Request<'_>) -> Result {
            if request.wfile == b"secret" {
                request.wfile.clear();
            }
            request.finish()
        }
    }
    let _alone = alone();
    let builder = UdpServer::builder(|| Censored).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"secret").unwrap();
    client.send(b"public").unwrap();
    assert_eq!(text!(client), "public");
    stop(server);
}

/// A57: any number of replies, to any address, from any thread, at the same time.
#[test]
fn replies_may_be_any_in_number_and_go_anywhere() {
    let _alone = alone();
    fn spreads(request: &mut Request<'_>) -> Result {
        let (number, to) = std::str::from_utf8(request.packet)?.split_once(' ').unwrap();
        let other = Address::from(to.parse::<std::net::SocketAddr>()?);
        for _ in 0..number.parse::<u32>()? {
            request.send_to(b"to another", &other)?;
            request.send_to(b"to you", request.client_address)?;
        }
        Ok(())
    }
    let builder = ThreadingUdpServer::builder(|| HandlerFn::new(spreads));
    let server = builder.server(Noting::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let address = server.server_address().as_inet().unwrap();
    let (one, two) = (datagram_client(address).unwrap(), datagram_client(address).unwrap());
    let to = |client: &std::net::UdpSocket| format!("20 {}", client.local_addr().unwrap());
    one.send(to(&two).as_bytes()).unwrap();
    two.send(to(&one).as_bytes()).unwrap();
    for client in [one, two] {
        let mut replies: Vec<String> = (0..40).map(|_| text!(client)).collect();
        replies.sort();
        assert!(replies[..20].iter().all(|reply| reply == "to another"));
        assert!(replies[20..].iter().all(|reply| reply == "to you"));
    }
    stop(server);
}

/// Answers on the packet itself.
struct Raw;

impl BaseRequestHandler<Datagram, Noting> for Raw {
    fn handle(&mut self, request: &mut BaseRequest<'_, Datagram, Noting>) -> Result {
        let packet = &request.request;
        packet.send_to(&packet.data().to_ascii_uppercase(), request.client_address)?;
        Ok(())
    }
}

/// A55, A56: the request is the packet, and the socket that it came from stays open.
#[test]
fn a_base_handler_has_the_packet_and_the_servers_socket() {
    let _alone = alone();
    let server = UdpServer::builder(|| Raw).server(Noting::default()).bind("127.0.0.1:0");
    let server = server.unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    for _ in 0..3 {
        client.send(b"shout").unwrap();
        assert_eq!(text!(client), "SHOUT");
    }
    stop(server);
}

/// B21: in a child process as elsewhere; it answers on its parent's socket.
#[test]
fn a_child_answers_and_keeps_silent_as_any_server_does() {
    let _alone = alone();
    let builder = ForkingUdpServer::builder(|| HandlerFn::new(obeys)).allow_threads(true);
    let server = builder.server(Noting::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let trace = std::sync::Arc::clone(&server.server().trace);
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"fail").unwrap();
    trace.wait_for("error: failed");
    client.send(b"hello").unwrap();
    assert_eq!(text!(client), r#"you said "hello""#);
    stop(server);
}
