//! Every kind of endpoint, with every mix-in: an echo comes back.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

use common::{Serving, abstract_stream, command, unix_datagram};
use testkit::{Client, Connect, datagram_client, socket_path};

const MIXINS: [&str; 4] = ["synchronous", "threading", "forking", "coroutine"];

/// Starts an echo on `endpoints` with each mix-in.
fn with_each_mixin(endpoints: &[&str], test: impl Fn(&mut Serving)) {
    for mixin in MIXINS {
        let mut serving = Serving::start(
            command().args(endpoints).args(["--echo", "--mixin", mixin]),
            endpoints.len(),
        );
        test(&mut serving);
        let (code, output) = serving.stop();
        assert_eq!(code, 0, "{mixin}: {output}");
    }
}

fn echoes(client: Client) {
    assert_eq!(client.exchange("hello\n").unwrap(), b"hello\n");
}

fn echoes_datagrams(serving: &mut Serving) {
    let client = datagram_client(serving.address(0)).unwrap();
    // The empty one too: RFC 862 has no exception for it.
    for packet in [&b"hello"[..], b"", &[7; 60_000]] {
        client.send(packet).unwrap();
        let mut buffer = vec![0; 65_536];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], *packet);
    }
}

#[test]
fn tcp_over_ipv4_and_ipv6() {
    with_each_mixin(&["tcp://127.0.0.1:0"], |serving| echoes(serving.client()));
    with_each_mixin(&["tcp4://localhost:0"], |serving| {
        assert!(serving.address(0).is_ipv4());
        assert!(serving.endpoint(0).starts_with("tcp4://127.0.0.1:"));
        echoes(serving.client());
    });
    with_each_mixin(&["tcp6://[::1]:0"], |serving| {
        assert!(serving.endpoint(0).starts_with("tcp6://[::1]:"));
        echoes(serving.client());
    });
}

#[test]
fn a_wildcard_serves_both_families_and_tcp6_only_its_own() {
    with_each_mixin(&["tcp://[::]:0"], |serving| {
        let port = serving.address(0).port();
        for host in ["127.0.0.1", "[::1]"] {
            let address = format!("{host}:{port}").parse().unwrap();
            echoes(Connect::Tcp(address).connect().unwrap());
        }
    });
    with_each_mixin(&["tcp6://[::]:0"], |serving| {
        let port = serving.address(0).port();
        echoes(Connect::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], port).into()).connect().unwrap());
        assert!(Connect::Tcp(([127, 0, 0, 1], port).into()).connect().is_err());
    });
}

#[test]
fn udp_over_ipv4_and_ipv6() {
    with_each_mixin(&["udp://127.0.0.1:0"], echoes_datagrams);
    with_each_mixin(&["udp4://localhost:0"], echoes_datagrams);
    with_each_mixin(&["udp6://[::1]:0"], echoes_datagrams);
}

#[test]
fn a_unix_socket_has_its_mode_and_is_removed() {
    let path = socket_path();
    let endpoint = format!("unix:{}?mode=640", path.display());
    with_each_mixin(&[&endpoint], |serving| {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(serving.endpoint(0), format!("unix:{}", path.display()));
        echoes(serving.client());
    });
    assert_eq!(path.left(), [] as [std::path::PathBuf; 0], "removed at the end");
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let path = socket_path();
    drop(UnixListener::bind(&path).unwrap());
    with_each_mixin(&[&format!("unix:{}", path.display())], |serving| echoes(serving.client()));
}

#[test]
fn unix_datagrams() {
    let path = socket_path();
    with_each_mixin(&[&format!("unixgram:{}?mode=600", path.display())], |_| {
        let (client, _own) = unix_datagram();
        client.send_to(b"hello", &path).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(client.recv(&mut buffer).unwrap(), 5);
        // Nobody can answer a client without a name; the next is served all the same.
        UnixDatagram::unbound().unwrap().send_to(b"anonymous", &path).unwrap();
        client.send_to(b"again", &path).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"again");
    });
    assert!(path.left().is_empty());
}

#[test]
fn abstract_names() {
    let name = format!("socketserver-cli-{}", std::process::id());
    with_each_mixin(&[&format!("unix:@{name}")], |serving| {
        assert_eq!(serving.endpoint(0), format!("unix:@{name}"));
        let mut client = abstract_stream(&name);
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "hello");
    });
    with_each_mixin(&[&format!("unixgram:@{name}")], |_| {
        let (client, _own) = unix_datagram();
        client.send_to_addr(b"hello", &common::abstract_name(&name)).unwrap();
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 5);
    });
}

/// Serves an echo on an inherited descriptor, whose kind the command finds out.
fn with_inherited(socket: impl AsFd, kind: &str, test: impl Fn(&mut Serving)) {
    // A duplicate that stays open on exec.
    let inherited = rustix::io::dup(&socket).unwrap();
    let endpoint = format!("fd:{}", inherited.as_raw_fd());
    with_each_mixin(&[&endpoint], |serving| {
        assert!(serving.endpoint(0).starts_with(kind), "{}", serving.endpoint(0));
        test(serving);
    });
}

#[test]
fn inherited_sockets_of_every_kind() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    with_inherited(&socket, "tcp://127.0.0.1:", |serving| echoes(serving.client()));

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    with_inherited(&socket, "udp://127.0.0.1:", echoes_datagrams);

    let path = socket_path();
    let socket = UnixListener::bind(&path).unwrap();
    with_inherited(&socket, "unix:/", |serving| echoes(serving.client()));
    assert!(path.exists(), "whoever made it removes it");

    let path = socket_path();
    let socket = UnixDatagram::bind(&path).unwrap();
    with_inherited(&socket, "unixgram:/", |_| {
        let (client, _own) = unix_datagram();
        client.send_to(b"hello", &path).unwrap();
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 5);
    });
}

#[test]
fn several_endpoints_are_served_at_once() {
    let path = socket_path();
    let unix = format!("unix:{}", path.display());
    with_each_mixin(
        &["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp6://[::1]:0", &unix],
        |serving| {
            // All open at a time, each with its service begun.
            let mut clients =
                [0, 2].map(|index| Connect::Tcp(serving.address(index)).connect().unwrap());
            let mut local = Connect::Unix(path.to_path_buf()).connect().unwrap();
            for client in clients.iter_mut().chain([&mut local]) {
                client.send("hello\n").unwrap();
                assert_eq!(client.read_line().unwrap(), "hello\n");
            }
            let udp = datagram_client(serving.address(1)).unwrap();
            udp.send(b"hello").unwrap();
            assert_eq!(udp.recv(&mut [0; 16]).unwrap(), 5);
            for client in clients.into_iter().chain([local]) {
                echoes(client);
            }
        },
    );
}
