//! Clients that come in ways that must not hold up a loop.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socketserver::mixin::{Synchronous, Threading};
use socketserver::transport::{Tcp, Udp, UnixStream};
use socketserver::{Address, BaseServer, Outcome, StreamRequest, TcpServer, handler_fn};
use testkit::{Connect, DEADLINE, Trace, eventually};

use crate::common::{CoroutineEpoll, CoroutineIoUring, Mix, Wire, bound, serve};

/// B6: a client that another loop has taken is not waited for.
fn two_loops_do_not_wait_for_each_other<T: Wire, M: Mix<T>>() {
    let _alone = testkit::alone();
    let server = bound::<T, M>(|builder| builder);
    thread::scope(|scope| {
        let loops =
            [scope.spawn(|| server.serve_forever()), scope.spawn(|| server.serve_forever())];
        // One client at a time wakes both, and only one gets it.
        for number in 0..100 {
            let text = format!("echo {number}");
            assert_eq!(server.send(&text).reply().unwrap(), number.to_string());
        }
        // More than once, for a loop that had not begun would not be stopped by the first.
        eventually("both loops end", || {
            server.shutdown();
            loops.iter().all(|serving| serving.is_finished())
        });
        for serving in loops {
            serving.join().unwrap().unwrap();
        }
    });
    assert_eq!(server.server().trace.count("handle"), 100);
    server.close();
}

/// B6.
#[test]
fn two_loops_on_one_listener_do_not_wait_for_each_other() {
    two_loops_do_not_wait_for_each_other::<Tcp, Synchronous>();
    two_loops_do_not_wait_for_each_other::<UnixStream, Threading>();
    two_loops_do_not_wait_for_each_other::<Udp, Synchronous>();
}

/// B6: with coroutines, which take the requests of all loops.
#[test]
fn two_loops_of_a_coroutine_server_do_not_wait_for_each_other() {
    two_loops_do_not_wait_for_each_other::<Tcp, CoroutineEpoll>();
    two_loops_do_not_wait_for_each_other::<Tcp, CoroutineIoUring>();
    two_loops_do_not_wait_for_each_other::<Udp, CoroutineEpoll>();
    two_loops_do_not_wait_for_each_other::<Udp, CoroutineIoUring>();
}

/// B6, B10: while one is busy the other serves.
#[test]
fn one_loop_serves_while_the_other_is_busy() {
    let _alone = testkit::alone();
    let server = bound::<Tcp, Synchronous>(|builder| builder);
    thread::scope(|scope| {
        let loops =
            [scope.spawn(|| server.serve_forever()), scope.spawn(|| server.serve_forever())];
        let mut held = server.send("hold");
        server.server().trace.wait_for("held");
        assert_eq!(server.send("echo meanwhile").reply().unwrap(), "meanwhile");
        server.server().gate.open();
        assert_eq!(held.reply().unwrap(), "released");
        server.shutdown();
        for serving in loops {
            serving.join().unwrap().unwrap();
        }
    });
    server.close();
}

/// B6, B26: a client that reset before it was accepted is one that went away, and no more.
#[test]
fn a_client_that_aborts_before_it_is_accepted_is_passed_over() {
    let _alone = testkit::alone();
    struct Noting(Arc<Trace>);
    impl BaseServer for Noting {
        fn handle_error(&self, error: &socketserver::RequestError, _: &Address) {
            self.0.note(format!("disconnect: {}", error.is_disconnect()));
        }
    }
    let trace = Arc::new(Trace::new());
    let echo = handler_fn(|request: &mut StreamRequest<'_, Noting>| {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    });
    let server =
        TcpServer::builder(echo).server(Noting(Arc::clone(&trace))).bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    for _ in 0..3 {
        let mut client = address.connect().unwrap();
        client.send("to nobody\n").unwrap();
        client.reset().unwrap();
    }
    let server = server.spawn().unwrap();
    assert_eq!(address.connect().unwrap().exchange("hello\n").unwrap(), b"hello\n");
    server.stop(Some(DEADLINE)).unwrap();
    assert!(trace.texts().iter().all(|text| text == "disconnect: true"), "{:?}", trace.texts());
}

/// A53, B10: a client that is refused, and goes on sending, holds nobody up.
fn a_refused_client_holds_nobody_up<T: Wire, M: Mix<T>>(a_minute: impl FnOnce(&mut T)) {
    let _alone = testkit::alone();
    let server = bound::<T, M>(|builder| {
        builder.transport(|mut transport| {
            a_minute(&mut transport);
            transport
        })
    });
    server.server().refuse(true);
    let mut refused = server.connect();
    // Before it can be refused, which would end this.
    refused.send("echo no\nand more").unwrap();
    let server = server.spawn();
    // It has not ended its half, so that more could come.
    refused.assert_ended();
    server.server().refuse(false);
    assert_eq!(server.ask("echo next"), "next");
    drop(refused);
    server.stop();
}

/// A44, B10: although the server lingers with those that it has served.
#[test]
fn a_refused_client_that_still_sends_holds_nobody_up() {
    let a_minute = Duration::from_secs(60);
    a_refused_client_holds_nobody_up::<Tcp, Synchronous>(|tcp| tcp.linger = a_minute);
    a_refused_client_holds_nobody_up::<Tcp, Threading>(|tcp| tcp.linger = a_minute);
    a_refused_client_holds_nobody_up::<UnixStream, Threading>(|unix| unix.linger = a_minute);
    a_refused_client_holds_nobody_up::<Tcp, CoroutineEpoll>(|tcp| tcp.linger = a_minute);
    a_refused_client_holds_nobody_up::<Tcp, CoroutineIoUring>(|tcp| tcp.linger = a_minute);
}

/// A44, B24: what `verify_request` has written to a client that it refuses arrives.
#[test]
fn a_refusal_may_be_said_to_the_client() {
    let _alone = testkit::alone();
    struct Full;
    impl BaseServer for Full {
        fn verify_request(&self, mut request: &TcpStream, _: &Address) -> bool {
            request.write_all(b"full, come again\n").unwrap();
            false
        }
    }
    let nothing = handler_fn(|_: &mut StreamRequest<'_, Full>| Ok(()));
    let server = TcpServer::builder(nothing).server(Full).bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());
    let mut client = address.connect().unwrap();
    // There before the refusal, and never read.
    client.send(vec![b'x'; 1000]).unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Refused);
    assert_eq!(client.read_to_end().unwrap(), b"full, come again\n");
    assert!(server.server_close(None));
}

/// A55: an empty datagram is a request as any other, and a burst is served whole.
#[test]
fn a_burst_of_datagrams_is_served_one_by_one() {
    let _alone = testkit::alone();
    let server = serve::<Udp, Synchronous>();
    let mut client = server.connect();
    client.send("").unwrap();
    for number in 0..20 {
        client.send(&format!("echo {number}")).unwrap();
    }
    for number in 0..20 {
        assert_eq!(client.reply().unwrap(), number.to_string());
    }
    assert_eq!(server.server().trace.count("verify_request"), 21);
    server.stop();
}
