//! How much of everything.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use socketserver::{HandlerFn, Result, SessionRequest};
use testkit::{Gate, alone, datagram_client, eventually};

use crate::noting::{Noting, stop};
use crate::serving::{Counts, ask};

/// Sends as much as it may, and tells how much that was.
fn floods(request: &mut SessionRequest<'_, Noting>) -> Result {
    let session = request.session;
    while let Some(packet) = session.recv(None)? {
        if packet == b"secret" {
            session.verified();
        }
        let mut sent = 0;
        let error = loop {
            match session.send(&[0; 10]) {
                Ok(len) if sent < 100 => sent += len,
                Ok(_) => break None,
                Err(error) => break Some(error.kind()),
            }
        };
        let verified = session.is_verified();
        request.server.trace.note(format!("{sent} {error:?} {verified}"));
    }
    Ok(())
}

macro_rules! flooding {
    ($noting:expr, $client:ident, $server:ident, $set:expr) => {
        let builder = UdpSessionServer::builder(|| HandlerFn::new(floods));
        let builder = $set(builder.server($noting.clone()));
        let $server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let $client = datagram_client($server.server_address().as_inet().unwrap()).unwrap();
    };
}

/// Those that run get their datagrams, though the mix-in has no room for another.
macro_rules! full {
    ($name:ident, $alias:ident, $limit:ident) => {
        #[test]
        fn $name() {
            let _alone = alone();
            let builder = socketserver::$alias::builder(Counts::default).server(Noting::default());
            let server = builder.$limit(2).bind("127.0.0.1:0").unwrap().spawn().unwrap();
            let address = server.server_address().as_inet().unwrap();
            let [one, other, third] = [(); 3].map(|()| datagram_client(address).unwrap());
            assert_eq!([ask(&one, "a"), ask(&other, "b")], ["1 a", "1 b"]);
            assert_eq!([ask(&one, "c"), ask(&other, "d")], ["2 c", "2 d"]);
            third.send(b"e").unwrap();
            eventually("it is counted", || server.transport().counts().refused == 1);
            assert_eq!([ask(&one, "f"), ask(&other, "g")], ["3 f", "3 g"]);
            one.send(b"bye").unwrap();
            eventually("there is room", || server.active_requests() == 1);
            // Until the last of its thread has ended, too.
            let mut answer = [0; 16];
            third.set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
            eventually("it is served", || {
                third.send(b"h").unwrap();
                third.recv(&mut answer).is_ok()
            });
            assert_eq!(&answer[..3], b"1 h");
            stop(server);
        }
    };
}

full!(
    threads_that_run_are_fed_when_there_are_as_many_as_may,
    ThreadingUdpSessionServer,
    max_threads
);
full!(
    coroutines_that_run_are_fed_when_there_are_as_many_as_may,
    CoroutineUdpSessionServer,
    max_coroutines
);

crate::on_each! {
    fn a_peer_beyond_the_cap_is_not_served_and_counted() {
        let _alone = alone();
        let builder = UdpSessionServer::builder(Counts::default).server(Noting::default());
        let server = builder.max_sessions(2).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let address = server.server_address().as_inet().unwrap();
        let [one, other, third] = [(); 3].map(|()| datagram_client(address).unwrap());
        assert_eq!([ask(&one, "a"), ask(&other, "b")], ["1 a", "1 b"]);
        third.send(b"c").unwrap();
        third.send(b"d").unwrap();
        eventually("they are counted", || server.transport().counts().refused == 2);
        // The others have not noticed.
        assert_eq!([ask(&one, "e"), ask(&other, "f")], ["2 e", "2 f"]);
        one.send(b"bye").unwrap();
        eventually("there is room", || server.transport().counts().sessions == 1);
        assert_eq!(ask(&third, "g"), "1 g");
        stop(server);
    }

    fn a_session_that_takes_nothing_keeps_the_oldest_and_counts_the_rest() {
        let _alone = alone();
        let noting = Noting::default();
        let gate = Arc::new(Gate::new());
        let held = Arc::clone(&gate);
        let handler = move |request: &mut SessionRequest<'_, Noting>| -> Result {
            held.pass();
            while let Some(packet) = request.session.recv(None)? {
                request.server.trace.note(String::from_utf8(packet)?);
            }
            request.server.trace.note(format!("{} lost", request.session.overflowed()));
            Ok(())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(handler.clone()));
        let builder = builder.server(noting.clone()).max_queued(3);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        for number in 0..10 {
            client.send(number.to_string().as_bytes()).unwrap();
        }
        eventually("they are counted", || server.transport().counts().overflowed == 7);
        gate.open();
        noting.trace.wait_for("2");
        stop(server);
        assert_eq!(noting.trace.texts(), ["0", "1", "2", "7 lost"]);
    }

    /// 128 KiB at the most, though 64 datagrams may wait.
    fn long_datagrams_fill_a_session_sooner() {
        let _alone = alone();
        let gate = Arc::new(Gate::new());
        let held = Arc::clone(&gate);
        let handler = move |request: &mut SessionRequest<'_>| -> Result {
            held.pass();
            request.session.recv(None)?;
            Ok(())
        };
        let server =
            UdpSessionServer::bind("127.0.0.1:0", move || HandlerFn::new(handler.clone()));
        let server = server.unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        for _ in 0..4 {
            client.send(&[0; 60_000]).unwrap();
            server.handle_request_noblock();
        }
        assert_eq!(server.transport().counts().overflowed, 2);
        gate.open();
        assert!(server.server_close(Some(testkit::DEADLINE)));
    }

    /// RFC 9000, 8.1: three times what was received, until the peer has shown that it receives.
    fn an_unverified_peer_cannot_make_the_server_flood_another() {
        let _alone = alone();
        let noting = Noting::default();
        flooding!(noting, client, server, |builder| builder);
        let quota = format!("{:?}", Some(ErrorKind::QuotaExceeded));
        client.send(&[0; 11]).unwrap();
        noting.trace.wait_for(&format!("30 {quota} false"));
        // A second one shows nothing either, but is something that was received.
        client.send(&[0; 12]).unwrap();
        noting.trace.wait_for_several(2, &format!("30 {quota} false"));
        // 3 x 23 - 60 leaves room for none of ten bytes; 3 more make it.
        client.send(&[0; 1]).unwrap();
        noting.trace.wait_for(&format!("10 {quota} false"));
        client.send(b"secret").unwrap();
        noting.trace.wait_for("100 None true");
        stop(server);
    }

    fn an_answer_verifies_where_that_is_set() {
        let _alone = alone();
        let noting = Noting::default();
        flooding!(noting, client, server, |builder: socketserver::Builder<_, _, _, _>| {
            builder.answer_verifies(true).max_amplification(1)
        });
        client.send(&[0; 20]).unwrap();
        noting.trace.wait_for(&format!("20 {:?} false", Some(ErrorKind::QuotaExceeded)));
        client.send(&[0; 1]).unwrap();
        noting.trace.wait_for("100 None true");
        stop(server);
    }

    fn an_answer_of_the_first_datagrams_own_size_is_always_allowed() {
        let _alone = alone();
        let echo = |request: &mut SessionRequest<'_>| -> Result {
            while let Some(packet) = request.session.recv(None)? {
                request.session.send(&packet)?;
            }
            Ok(())
        };
        let server = UdpSessionServer::bind("127.0.0.1:0", move || HandlerFn::new(echo));
        let server = server.unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        for text in ["", "a", "", "many words"] {
            assert_eq!(ask(&client, text), text);
        }
        stop(server);
    }

    fn a_datagram_that_is_cut_is_told_so() {
        let _alone = alone();
        let tells = |request: &mut SessionRequest<'_>| -> Result {
            while let Some(packet) = request.session.recv(None)? {
                let told = format!("{} {}", packet.len(), request.session.is_truncated());
                request.session.verified();
                request.session.send(told.as_bytes())?;
            }
            Ok(())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(tells));
        let builder = builder.datagrams(|udp| udp.max_packet_size = 4);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        assert_eq!([ask(&client, "12345"), ask(&client, "1234")], ["4 true", "4 false"]);
        stop(server);
    }

    fn a_limit_of_zero_is_refused() {
        let _alone = alone();
        let builder = || UdpSessionServer::builder(Counts::default).server(Noting::default());
        for builder in [builder().max_sessions(0), builder().max_queued(0)] {
            assert_eq!(builder.bind("127.0.0.1:0").unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        drop(builder().idle_timeout(Duration::ZERO).bind("127.0.0.1:0").unwrap());
    }
}
