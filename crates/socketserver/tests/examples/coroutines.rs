//! The programs that are there for the sake of coroutines.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::Stdio;

use testkit::{Process, alone, datagram_client, eventually, within_deadline};

use crate::running::{Example, client, command, stop_without_errors};

/// An echo server, and a proxy before it.
fn proxied() -> (Example, Example) {
    let echo = Example::start("own_transport", &["127.0.0.1:0"]);
    let proxy = Example::start("tcp_proxy", &["127.0.0.1:0", &echo.address().to_string()]);
    (echo, proxy)
}

#[test]
fn tcp_proxy_carries_both_ways_at_the_same_time() {
    let _alone = alone();
    let (echo, proxy) = proxied();
    let mut first = proxy.connect();
    let mut second = proxy.connect();
    for client in [&mut first, &mut second] {
        client.send("one\n").unwrap();
        assert_eq!(client.read_line().unwrap(), "one\n");
    }
    // More than all the buffers on the way hold, so that it must come back while it goes.
    let mut stream = std::net::TcpStream::connect(proxy.address()).unwrap();
    let mut sending = stream.try_clone().unwrap();
    let sent: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let sender = std::thread::spawn(move || {
        sending.write_all(&sent).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let received = within_deadline(move || {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).map(|_| received)
    });
    assert!(received.unwrap() == expected);
    sender.join().unwrap();
    for client in [first, second] {
        assert_eq!(client.exchange("two").unwrap(), b"two");
    }
    stop_without_errors(proxy);
    stop_without_errors(echo);
}

/// Each end of a connection is passed on as what it is.
#[test]
fn tcp_proxy_passes_on_the_end_of_either_side() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let proxy = Example::start("tcp_proxy", &["127.0.0.1:0", &upstream]);
    let mut client = proxy.connect();
    let mut server = within_deadline(move || listener.accept()).unwrap().0;
    server.set_read_timeout(Some(testkit::DEADLINE)).unwrap();
    // The client has said all, and is still answered.
    client.send("question").unwrap();
    client.end().unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    server.write_all(b"answer").unwrap();
    drop(server);
    assert_eq!((&*question, client.read_to_end().unwrap()), ("question", b"answer".to_vec()));
    // Now nobody listens any more.
    assert_eq!(proxy.connect().exchange("").unwrap(), b"");
    let output = proxy.stop();
    assert!(output.contains("Connection refused"), "{output}");
}

/// It closes within the second that it gives itself, and sends both sides home.
#[test]
fn tcp_proxy_stops_with_connections_open() {
    let _alone = alone();
    let (echo, proxy) = proxied();
    let mut client = proxy.connect();
    client.send("one\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "one\n");
    stop_without_errors(proxy);
    assert_eq!(client.read_to_end().unwrap(), b"");
    stop_without_errors(echo);
}

#[test]
fn curl_is_answered_through_the_proxy() {
    let _alone = alone();
    let http = Example::on_port_0("http_hello");
    let proxy = Example::start("tcp_proxy", &["127.0.0.1:0", &http.address().to_string()]);
    let url = &format!("http://{}/", proxy.address());
    if let Some(output) = client("curl", &["-sS", "-m", "5", "-d", "curl", url]) {
        assert_eq!(output, "Hello, curl!\n");
    }
    stop_without_errors(proxy);
    stop_without_errors(http);
}

/// All are asleep at the same time, for the last falls asleep before the first may wake.
#[test]
fn sleepers_sleep_at_the_same_time() {
    let _alone = alone();
    for (arguments, on) in [(&["2000"][..], "one thread"), (&["2000", "3"], "3 threads")] {
        let mut command = command("sleepers", arguments);
        let (status, output) = Process::start(&mut command).unwrap().wait();
        assert!(status.success(), "{output}");
        assert!(output.starts_with(&format!("2000 slept at the same time, on {on}\n")), "{output}");
        let each = output.rsplit_once(" MB, ").unwrap().1.trim_end();
        let each: u64 = each.strip_suffix(" bytes each").unwrap().parse().unwrap();
        assert!(each < 20_000, "{output}");
    }
}

#[test]
fn sleepers_cannot_sleep_on_no_thread() {
    let _alone = alone();
    let mut command = command("sleepers", &["1", "0"]);
    let (status, output) = Process::start(&mut command).unwrap().wait();
    assert_eq!(status.code(), Some(1));
    assert!(output.contains("at least one worker"), "{output}");
}

/// One handler for each peer, whichever the mix-in; `bye` ends it.
#[test]
fn udp_sessions_are_one_for_each_peer() {
    let _alone = alone();
    for mixin in ["coroutine", "threading"] {
        let mut example = Example::start("udp_sessions", &["127.0.0.1:0", mixin]);
        let peers = [(); 2].map(|()| datagram_client(example.address()).unwrap());
        for datagram in ["one", "two", "", "bye\n"] {
            for peer in &peers {
                peer.send(datagram.as_bytes()).unwrap();
                let mut reply = [0; 16];
                let len = peer.recv(&mut reply).unwrap();
                assert_eq!(&reply[..len], datagram.as_bytes(), "{mixin}");
            }
        }
        for peer in &peers {
            let line = format!("{}: 4 datagrams\n", peer.local_addr().unwrap());
            example.eventually_writes(&line);
        }
        stop_without_errors(example);
    }
}

#[test]
fn udp_sessions_end_when_nothing_is_heard_of_the_peer() {
    let _alone = alone();
    let mut example = Example::start("udp_sessions", &["127.0.0.1:0", "coroutine", "1"]);
    let peer = datagram_client(example.address()).unwrap();
    peer.send(b"one").unwrap();
    example.eventually_writes(&format!("{}: 1 datagrams\n", peer.local_addr().unwrap()));
    stop_without_errors(example);
}

#[test]
fn socat_keeps_its_session() {
    let _alone = alone();
    let mut example = Example::on_port_0("udp_sessions");
    let address = format!("UDP:{}", example.address());
    let mut socat = std::process::Command::new("socat");
    socat.args(["-t1", "-", &address]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut socat) = socat.spawn() else {
        let _ = writeln!(std::io::stderr(), "skipped: socat is not installed");
        return;
    };
    let mut input = socat.stdin.take().unwrap();
    let mut output = socat.stdout.take().unwrap();
    for line in ["one\n", "bye\n"] {
        input.write_all(line.as_bytes()).unwrap();
        let mut reply = [0; 4];
        output.read_exact(&mut reply).unwrap();
        assert_eq!(str::from_utf8(&reply).unwrap(), line);
    }
    drop(input);
    eventually("the end of socat", || socat.try_wait().unwrap().is_some());
    example.eventually_writes(": 2 datagrams\n");
    stop_without_errors(example);
}
