//! Servers that do wrong, and whether the load generator sees it.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use super::*;

const PATTERNS: [Pattern; 3] = [Pattern::Single, Pattern::Batch, Pattern::Train];

/// Serves each connection by a thread; `change` sees each chunk, and which it is of its connection,
/// before it goes back.
fn server(change: impl Fn(usize, &mut Vec<u8>) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, change) = (stream.unwrap(), change.clone());
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                let mut chunk = 0;
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let mut reply = buffer[..count].to_vec();
                    change(chunk, &mut reply);
                    chunk += 1;
                    if stream.write_all(&reply).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Sends each datagram back; `change` sees each, and which it is, and says how often it goes back.
fn udp_server(mut change: impl FnMut(usize, &mut [u8]) -> usize + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        for index in 0.. {
            let (count, peer) = socket.recv_from(&mut buffer).unwrap();
            for _ in 0..change(index, &mut buffer[..count]) {
                // A client that has seen enough is gone.
                let _ = socket.send_to(&buffer[..count], peer);
            }
        }
    });
    address
}

fn run(load: Load, address: SocketAddr) -> Result<Outcome> {
    let mut session = load.open(address)?;
    let mut outcome = session.run(200)?;
    let more = session.run(300)?;
    outcome.took += more.took;
    outcome.replies.merge(&more.replies);
    session.close()?;
    Ok(outcome)
}

fn echo(connections: usize, depth: usize) -> Load {
    Load::Echo { connections, depth }
}

const LINES: [Load; 2] = [Load::Line { clients: 1 }, Load::Line { clients: 3 }];

#[test]
fn right_replies_pass() {
    let echoes = [echo(1, 1), echo(5, 1), echo(1, 16), echo(3, 7)];
    for load in echoes.into_iter().chain(LINES) {
        let outcome = run(load, server(|_, _| {})).unwrap();
        assert!(outcome.replies.percentile_us(50.0) > 0.0, "{load:?}");
        assert!(!outcome.took.is_zero(), "{load:?}");
    }
    for pattern in PATTERNS {
        run(Load::Udp(pattern), udp_server(|_, _| 1)).unwrap();
    }
}

#[test]
fn a_reply_with_one_wrong_byte_fails_the_run() {
    for load in [echo(1, 1), echo(5, 1), echo(2, 16)].into_iter().chain(LINES) {
        let address = server(move |chunk, reply| {
            if matches!(load, Load::Line { .. }) || chunk == 5 {
                reply[10] ^= 1;
            }
        });
        let error = run(load, address).unwrap_err().to_string();
        assert!(error.contains("answered with"), "{load:?}: {error}");
    }
    for pattern in PATTERNS {
        let address = udp_server(|index, datagram| {
            if index == 30 {
                datagram[30] ^= 1;
            }
            1
        });
        let error = run(Load::Udp(pattern), address).unwrap_err().to_string();
        assert!(error.contains("answered with"), "{pattern:?}: {error}");
    }
}

#[test]
fn a_reply_that_belongs_to_another_request_fails_the_run() {
    let address = server(|chunk, reply| {
        if chunk == 3 {
            reply[16] = if reply[16] == b'9' { b'8' } else { reply[16] + 1 };
        }
    });
    assert!(run(echo(5, 1), address).is_err());
}

#[test]
fn a_reply_that_is_sent_twice_fails_the_run() {
    for load in [echo(1, 1), echo(5, 1)] {
        let address = server(|chunk, reply| {
            if chunk == 49 {
                reply.extend_from_within(..);
            }
        });
        assert!(run(load, address).is_err(), "{load:?}");
    }
    for pattern in PATTERNS {
        let address = udp_server(|index, _| if index == 100 { 2 } else { 1 });
        assert!(run(Load::Udp(pattern), address).is_err(), "{pattern:?}");
    }
}

#[test]
fn bytes_after_the_last_reply_fail_the_run() {
    let address = server(|chunk, reply| {
        if chunk == 499 {
            reply.push(b'\n');
        }
    });
    assert!(run(echo(1, 1), address).is_err());
}

#[test]
fn a_server_that_closes_early_fails_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    for load in [echo(1, 1), echo(3, 1)].into_iter().chain(LINES) {
        assert!(run(load, address).is_err(), "{load:?}");
    }
}

#[test]
fn many_connections_come_from_several_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = [0, CONNECTIONS_OF_A_SOURCE, 2 * CONNECTIONS_OF_A_SOURCE]
        .map(|index| connect(address, index).unwrap().local_addr().unwrap().ip().to_string());
    assert_eq!(streams, ["127.0.0.1", "127.0.1.1", "127.0.1.2"]);
}

#[test]
fn every_request_has_its_own_line_of_the_same_length() {
    assert_ne!(line(1), line(10));
    assert_eq!(line(1_234_567_890)[7..17], *b"1234567890");
    assert_eq!(number_of(&line(1_234_567_890)), 1_234_567_890);
    assert_eq!(line(0).iter().position(|&byte| byte == b'\n'), Some(LINE - 1));
}
