//! Each built-in protocol, over connections and over datagrams.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Serving, command, unix_datagram};
use testkit::{datagram_client, socket_path};

/// Serves a protocol over TCP, and over a Unix socket.
fn over_connections(protocol: &str, test: impl Fn(&mut Serving)) {
    let path = socket_path();
    for endpoint in ["tcp://127.0.0.1:0".to_owned(), format!("unix:{}", path.display())] {
        let mut serving = Serving::with(&format!("{endpoint} --protocol {protocol}"));
        test(&mut serving);
        assert_eq!(serving.stop().0, 0);
    }
}

/// Sends a datagram over UDP, and over a Unix socket; `test` gets each reply.
fn over_datagrams(protocol: &str, packet: &[u8], test: impl Fn(&[u8])) {
    let mut buffer = vec![0; 65_536];
    let mut serving = Serving::with(&format!("udp://127.0.0.1:0 --protocol {protocol}"));
    let client = datagram_client(serving.address(0)).unwrap();
    client.send(packet).unwrap();
    let len = client.recv(&mut buffer).unwrap();
    test(&buffer[..len]);

    let path = socket_path();
    let _serving = Serving::with(&format!("unixgram:{} --protocol {protocol}", path.display()));
    let (client, _own) = unix_datagram();
    client.send_to(packet, &path).unwrap();
    let len = client.recv(&mut buffer).unwrap();
    test(&buffer[..len]);
}

#[test]
fn echo() {
    over_connections("echo", |serving| {
        let mut client = serving.client();
        client.send("one\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "one\n", "at once");
        // Much of it, and no more on its way at a time than what neither waits for.
        let line = format!("{}\n", "x".repeat(30_000));
        for _ in 0..30 {
            client.send(&line).unwrap();
            assert_eq!(client.read_line().unwrap(), line);
        }
    });
    over_datagrams("echo", b"hello", |reply| assert_eq!(reply, b"hello"));
    over_datagrams("echo", b"", |reply| assert_eq!(reply, b""));
}

#[test]
fn discard() {
    over_connections("discard", |serving| {
        let client = serving.client();
        assert_eq!(client.exchange(vec![0; 1 << 20]).unwrap(), b"");
    });
    let mut serving = Serving::with("udp://127.0.0.1:0 --protocol discard --verbose");
    let client = datagram_client(serving.address(0)).unwrap();
    client.send(b"hello").unwrap();
    serving.until("it has been served", |output| output.contains(" finished after "));
    client.set_nonblocking(true).unwrap();
    assert!(client.recv(&mut [0; 8]).is_err(), "no reply");
}

#[test]
fn chargen() {
    over_connections("chargen", |serving| {
        let mut client = serving.client();
        // Input is dropped, and an end of it is not the end of the connection.
        client.send("whatever\n").unwrap();
        client.end().unwrap();
        for first in (b' '..=b'~').chain(b' '..=b'"') {
            let line = client.read_line().unwrap();
            assert_eq!((line.len(), line.as_bytes()[0]), (74, first));
            assert!(line.ends_with("\r\n"));
        }
    });
    // A byte gets no more than the 512 characters of the RFC.
    over_datagrams("chargen", b"x", |reply| {
        assert!(reply.len() <= 512, "{}", reply.len());
        let of_rfc = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
        assert!(reply.iter().all(of_rfc));
    });
}

#[test]
fn chargen_ends_when_the_client_closes() {
    let mut serving = Serving::with("tcp://127.0.0.1:0 --protocol chargen --verbose");
    drop(serving.client());
    serving.until("its end", |output| output.contains("went away after"));
    assert_eq!(serving.stop().0, 0, "nothing was left to cut");
}

#[test]
fn daytime() {
    let check = |text: &[u8]| {
        let text = str::from_utf8(text).unwrap();
        let line = text.strip_suffix("-UTC\r\n").unwrap();
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words.len(), 5, "{text}");
        assert!(words[0].ends_with("day,") && words[4].matches(':').count() == 2, "{text}");
    };
    over_connections("daytime", |serving| {
        check(&serving.client().read_to_end().unwrap());
    });
    over_datagrams("daytime", b"", check);
}

#[test]
fn time() {
    let check = |bytes: &[u8]| {
        let seconds = u32::from_be_bytes(bytes.try_into().unwrap());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let behind = (now as u32).wrapping_add(2_208_988_800).wrapping_sub(seconds);
        assert!(behind < 60, "{behind}");
    };
    over_connections("time", |serving| check(&serving.client().read_to_end().unwrap()));
    over_datagrams("time", b"", check);
}

/// What comes from the port of another such service is not answered, and neither loops for ever.
#[test]
fn a_datagram_from_another_service_is_refused() {
    // These ports are privileged, and may be taken.
    let bind = |port| UdpSocket::bind(("127.0.0.1", port)).ok();
    let Some(service) = [7, 13, 17, 19, 37].into_iter().find_map(bind) else {
        eprintln!("SKIPPED: not allowed to bind to a port of a service");
        return;
    };
    let mut serving = Serving::with("udp://127.0.0.1:0 --echo --verbose");
    service.send_to(b"hello", serving.address(0)).unwrap();
    serving.until("it is refused", |output| output.contains(" refused"));
    service.set_nonblocking(true).unwrap();
    assert!(service.recv(&mut [0; 8]).is_err(), "no reply");
}

/// One that says that it comes from the server itself would be answered to itself, for ever.
#[test]
fn a_datagram_from_its_own_port_is_refused() {
    let mut serving = Serving::with("udp://127.0.0.1:0 --echo --verbose");
    let port = serving.address(0).port();
    let client = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    client.send_to(b"hello", serving.address(0)).unwrap();
    serving.until("it is refused", |output| output.contains(" refused"));
}

#[test]
fn a_silent_client_is_closed_after_the_timeout() {
    let mut serving = Serving::with("tcp://127.0.0.1:0 --echo --timeout 50ms --verbose");
    assert_eq!(serving.client().read_to_end().unwrap(), b"");
    serving.until("it is told", |output| output.contains("timed out after"));
    assert_eq!(serving.client().exchange("next").unwrap(), b"next");
}

/// B10: a client that never reads holds nobody up for ever.
#[test]
fn a_client_that_never_reads_is_closed_after_the_timeout() {
    let mut serving = Serving::with("tcp://127.0.0.1:0 --protocol chargen --timeout 50ms -v");
    let client = serving.client();
    serving.until("it is told", |output| output.contains("timed out after"));
    drop(client);
}

#[test]
fn echo_is_short_for_the_protocol() {
    let mut serving = Serving::start(command().args(["tcp://127.0.0.1:0", "--echo"]), 1);
    assert_eq!(serving.client().exchange("hello").unwrap(), b"hello");
}
