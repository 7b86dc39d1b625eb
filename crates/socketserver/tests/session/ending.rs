//! How sessions end.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use socketserver::transport::{Session, SessionEnd};
use socketserver::{HandlerFn, Result, SessionRequest};
use testkit::{DEADLINE, Gate, alone, datagram_client};

use crate::noting::{Noting, stop};
use crate::serving::{Counts, ask};

crate::on_each! {
    fn a_peer_that_falls_silent_loses_its_session() {
        let _alone = alone();
        let noting = Noting::default();
        let builder = UdpSessionServer::builder(Counts::default).server(noting.clone());
        let builder = builder.idle_timeout(Duration::from_millis(30));
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        assert_eq!(ask(&client, "a"), "1 a");
        noting.trace.wait_for("Some(Idle)");
        testkit::eventually("nothing is left of it", || {
            server.transport().counts().sessions == 0 && server.active_requests() == 0
        });
        assert_eq!(ask(&client, "b"), "1 b");
        stop(server);
    }

    /// The time runs from the peer's last datagram, so `recv` with a shorter timeout goes on.
    fn a_peer_that_is_heard_keeps_its_session() {
        let _alone = alone();
        let noting = Noting::default();
        let patient = |request: &mut SessionRequest<'_, Noting>| -> Result {
            let mut timed_out = 0;
            loop {
                match request.session.recv(Some(Duration::from_millis(2))) {
                    Ok(Some(packet)) => drop(request.session.send(&packet)?),
                    Ok(None) => break,
                    Err(error) if error.kind() == ErrorKind::TimedOut => timed_out += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            assert!(timed_out > 1, "{timed_out}");
            request.server.trace.note(format!("{:?}", request.session.end()));
            Ok(())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(patient));
        let builder = builder.server(noting.clone()).idle_timeout(Duration::from_millis(200));
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        for text in ["a", "b", "c"] {
            assert_eq!(ask(&client, text), text);
        }
        noting.trace.wait_for("Some(Idle)");
        assert_eq!(noting.trace.texts(), ["Some(Idle)"]);
        stop(server);
    }

    /// Nothing more can come, so nobody has to wait for the deadline.
    fn closing_the_server_ends_sessions_that_wait() {
        let _alone = alone();
        let noting = Noting::default();
        let builder = UdpSessionServer::builder(Counts::default).server(noting.clone());
        let server = builder.idle_timeout(None).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let address = server.server_address().as_inet().unwrap();
        let clients: Vec<_> = (0..20).map(|_| datagram_client(address).unwrap()).collect();
        for client in &clients {
            assert_eq!(ask(client, "a"), "1 a");
        }
        let report = server.stop(None).unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(noting.trace.texts(), ["Some(ServerClosed)"; 20]);
    }

    /// What had come before is not lost.
    fn what_waits_for_a_session_is_given_before_its_end() {
        let _alone = alone();
        let noting = Noting::default();
        let gate = Arc::new(Gate::new());
        let held = Arc::clone(&gate);
        let handler = move |request: &mut SessionRequest<'_, Noting>| -> Result {
            held.pass();
            while let Some(packet) = request.session.recv(None)? {
                request.server.trace.note(String::from_utf8(packet)?);
            }
            Ok(())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(handler.clone()));
        let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        client.send(b"one").unwrap();
        client.send(b"two").unwrap();
        server.handle_request().unwrap();
        server.handle_request_noblock();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| server.server_close(Some(DEADLINE)));
            testkit::eventually("the close", || server.is_closed());
            gate.open();
            assert!(closing.join().unwrap());
        });
        assert_eq!(noting.trace.texts(), ["one", "two"]);
    }

    /// A handler that does not wait for its session is cut as any other.
    fn a_session_that_goes_on_too_long_is_cut() {
        let _alone = alone();
        let noting = Noting::default();
        let gate = Arc::new(Gate::new());
        let held = Arc::clone(&gate);
        let (sender, sessions) = channel::<Arc<Session>>();
        let handler = move |request: &mut SessionRequest<'_, Noting>| -> Result {
            sender.send(Arc::clone(request.session))?;
            held.pass();
            // A coroutine is cut first, and then its session.
            let mut error = None;
            testkit::eventually("the cut", || {
                error = request.session.recv(None).err();
                error.is_some()
            });
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            Err(error.into())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(handler.clone()));
        let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        client.send(b"one").unwrap();
        server.handle_request().unwrap();
        let session = sessions.recv_timeout(DEADLINE).unwrap();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| server.drain(Some(Duration::from_millis(5))));
            // Cut while it holds a datagram that nobody has taken.
            testkit::eventually("the cut", || {
                session
                    .recv(Some(Duration::ZERO))
                    .is_err_and(|error| error.kind() == ErrorKind::ConnectionAborted)
            });
            gate.open();
            let report = closing.join().unwrap();
            assert_eq!((report.cut.len(), report.unfinished), (1, 0), "{report:?}");
        });
        assert_eq!(noting.trace.texts().len(), 1, "{:?}", noting.trace.texts());
        assert_eq!(session.end(), Some(SessionEnd::Closed));
    }

    /// B21, of sessions: a handler that fails or panics is one session's matter.
    fn a_handler_that_panics_ends_its_own_session() {
        let _alone = alone();
        let noting = Noting::default();
        let touchy = |request: &mut SessionRequest<'_, Noting>| -> Result {
            while let Some(packet) = request.session.recv(None)? {
                if packet == b"ouch" {
                    panic!("that hurt");
                }
                request.session.send(&packet)?;
            }
            Ok(())
        };
        let builder = UdpSessionServer::builder(move || HandlerFn::new(touchy));
        let builder = builder.server(noting.clone());
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let address = server.server_address().as_inet().unwrap();
        let (one, other) = (datagram_client(address).unwrap(), datagram_client(address).unwrap());
        assert_eq!([ask(&one, "a"), ask(&other, "b")], ["a", "b"]);
        one.send(b"ouch").unwrap();
        testkit::eventually("its end", || server.transport().counts().sessions == 1);
        assert_eq!([ask(&one, "a"), ask(&other, "b")], ["a", "b"]);
        stop(server);
        let told = noting.trace.texts();
        assert_eq!(told, ["error: request handler panicked: that hurt"]);
    }

    /// A session that has ended is not kept anywhere.
    fn nothing_is_left_of_sessions_that_have_ended() {
        let _alone = alone();
        let (sender, sessions) = channel();
        let brief = move |request: &mut SessionRequest<'_>| -> Result {
            request.session.recv(None)?;
            sender.send(Arc::downgrade(request.session))?;
            Ok(())
        };
        let server =
            UdpSessionServer::bind("127.0.0.1:0", move || HandlerFn::new(brief.clone()));
        let server = server.unwrap().spawn().unwrap();
        let address = server.server_address().as_inet().unwrap();
        for _ in 0..50 {
            datagram_client(address).unwrap().send(b"hello").unwrap();
            let session = sessions.recv_timeout(DEADLINE).unwrap();
            testkit::eventually("its end", || session.strong_count() == 0);
        }
        assert_eq!(server.transport().counts().sessions, 0);
        stop(server);
    }
}
