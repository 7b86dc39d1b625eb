//! Who gets what.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use socketserver::mixin::{Forking, Synchronous, Threading};
use socketserver::transport::{Session, Sessions, Udp};
use socketserver::{HandlerFn, Result, Server, SessionRequest, SessionRequestHandler};
use testkit::{DEADLINE, Gate, alone, datagram_client, socket_path, unix_datagram_client};

use crate::noting::{Noting, stop};

type Request<'a> = SessionRequest<'a, Noting>;

/// Answers each datagram with its number in the session.
#[derive(Default)]
pub(crate) struct Counts(usize);

impl SessionRequestHandler<Noting> for Counts {
    fn handle(&mut self, request: &mut Request<'_>) -> Result {
        while let Some(packet) = request.session.recv(None)? {
            if packet == b"bye" {
                break;
            }
            self.0 += 1;
            let text = format!("{} {}", self.0, String::from_utf8(packet)?);
            request.session.verified();
            request.session.send(text.as_bytes())?;
        }
        request.server.trace.note(format!("{:?}", request.session.end()));
        Ok(())
    }
}

/// A server of [`Counts`] over UDP, in the background.
macro_rules! counting {
    ($noting:expr) => {{
        let builder = UdpSessionServer::builder(Counts::default);
        let builder = builder.server($noting.clone());
        builder.bind("127.0.0.1:0").unwrap().spawn().unwrap()
    }};
}

/// Sends `text` and returns the answer.
#[track_caller]
pub(crate) fn ask(client: &UdpSocket, text: &str) -> String {
    client.send(text.as_bytes()).unwrap();
    let mut buffer = [0; 128];
    let len = client.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// The loop that runs the handler is the one that would give it its datagrams.
#[test]
fn a_mixin_that_gives_no_thread_is_told_so() {
    let _alone = alone();
    macro_rules! check {
        ($mixin:expr) => {{
            let noting = Noting::default();
            let server = Server::<Sessions<Udp>, Threading, Counts>::builder(Counts::default)
                .mixin($mixin)
                .server(noting.clone())
                .bind("127.0.0.1:0")
                .unwrap();
            let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
            client.send(b"hello").unwrap();
            server.handle_request().unwrap();
            assert_eq!(server.transport().counts().sessions, 0);
            assert!(server.server_close(Some(DEADLINE)));
            noting.trace.texts()
        }};
    }
    let told = check!(Synchronous::default());
    let text = "error: connection could not be opened: a session's handler would wait for the loop";
    assert!(told.len() == 1 && told[0].starts_with(text), "{told:?}");
    let mut forking = Forking::default();
    forking.allow_threads = true;
    // It is told in the child.
    check!(forking);
}

crate::on_each! {
    fn each_peer_has_a_handler_of_its_own_however_they_interleave() {
        let _alone = alone();
        let noting = Noting::default();
        let server = counting!(noting);
        let address = server.server_address().as_inet().unwrap();
        let one = datagram_client(address).unwrap();
        let other = datagram_client(address).unwrap();
        assert_eq!(ask(&one, "a"), "1 a");
        assert_eq!(ask(&one, "b"), "2 b");
        assert_eq!(ask(&other, "c"), "1 c");
        assert_eq!(ask(&one, ""), "3 ");
        assert_eq!(ask(&other, "d"), "2 d");
        assert_eq!(server.transport().counts().sessions, 2);
        stop(server);
        assert_eq!(noting.trace.texts(), ["Some(ServerClosed)"; 2]);
    }

    fn datagrams_that_come_in_a_burst_are_given_in_order() {
        let _alone = alone();
        let server = counting!(Noting::default());
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        for number in 0..40 {
            client.send(number.to_string().as_bytes()).unwrap();
        }
        let mut buffer = [0; 64];
        for number in 0..40 {
            let len = client.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], *format!("{} {number}", number + 1).as_bytes());
        }
        stop(server);
    }

    fn a_peer_that_comes_again_after_its_handler_returned_has_a_new_one() {
        let _alone = alone();
        let server = counting!(Noting::default());
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        assert_eq!([ask(&client, "a"), ask(&client, "b")], ["1 a", "2 b"]);
        client.send(b"bye").unwrap();
        testkit::eventually("the session's end", || server.transport().counts().sessions == 0);
        assert_eq!(ask(&client, "c"), "1 c");
        stop(server);
    }

    fn unix_peers_are_told_apart_by_their_names() {
        let _alone = alone();
        let path = socket_path();
        let builder = UnixDatagramSessionServer::builder(Counts::default);
        let server = builder.server(Noting::default()).bind(&path).unwrap().spawn().unwrap();
        let (one, _own) = unix_datagram_client(&path).unwrap();
        let (other, _others) = unix_datagram_client(&path).unwrap();
        let ask = |client: &UnixDatagram, text: &str| {
            client.send(text.as_bytes()).unwrap();
            let mut buffer = [0; 64];
            let len = client.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..len]).into_owned()
        };
        assert_eq!(ask(&one, "a"), "1 a");
        assert_eq!(ask(&other, "b"), "1 b");
        assert_eq!(ask(&one, "c"), "2 c");
        // Without a name there is nobody to be told apart.
        let unnamed = UnixDatagram::unbound().unwrap();
        unnamed.connect(&path).unwrap();
        unnamed.send(b"d").unwrap();
        testkit::eventually("its datagram", || server.transport().counts().unnamed == 1);
        assert_eq!(server.transport().counts().sessions, 2);
        stop(server);
    }

    /// A session may be handed on, and a function may be its handler.
    fn another_thread_may_receive_and_send() {
        let _alone = alone();
        let (sender, sessions) = channel::<Arc<Session>>();
        let gate = Arc::new(Gate::new());
        let held = Arc::clone(&gate);
        let hand_on = move |request: &mut SessionRequest<'_>| -> Result {
            sender.send(Arc::clone(request.session))?;
            held.pass();
            Ok(())
        };
        let server =
            UdpSessionServer::bind("127.0.0.1:0", move || HandlerFn::new(hand_on.clone()));
        let server = server.unwrap().spawn().unwrap();
        let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
        client.send(b"hello").unwrap();
        let session = sessions.recv_timeout(DEADLINE).unwrap();
        assert_eq!(session.peer_address().as_inet(), client.local_addr().ok());
        assert_eq!(session.recv(Some(DEADLINE)).unwrap().unwrap(), b"hello");
        let error = session.recv(Some(Duration::from_millis(5))).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(session.end(), None);
        session.send(b"there").unwrap();
        client.recv(&mut [0; 8]).unwrap();
        // The handler returns, and the session is over for everybody.
        gate.open();
        assert_eq!(session.recv(Some(DEADLINE)).unwrap(), None);
        let error = session.send(b"late").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
        stop(server);
        testkit::eventually("the last owner", || Arc::strong_count(&session) == 1);
    }
}
