//! Nothing is left: of connections while the server serves, and of the server when it is closed.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use socketserver::mixin::{Backend, Coroutine};
use socketserver::transport::{Tcp, Udp};
use socketserver::{CoroutineTcpServer, StreamRequest, handler_fn, sleep, spawn};
use testkit::{DEADLINE, descriptors, eventually};

use crate::common::{Hooks, Mix, Wire, bound};
use crate::noting::{connect, stop};
use crate::on_each_backend;

fn is_left_alone<T: Wire>(backend: Backend)
where
    Coroutine: Mix<T, Hooks>,
{
    let served =
        bound::<T, Coroutine>(|builder| builder.backend(backend).workers(2).block_on_close(false));
    let served = served.spawn();
    let mut client = served.hold();
    let report = served.drain(None);
    assert_eq!((report.unfinished, report.cut.len(), report.finished), (1, 0, 0));
    assert!(!served.server_close(None), "it is told that not all ended");
    if T::IS_STREAM {
        served.server().gate.open();
        assert_eq!(client.reply().unwrap(), "released", "the request went on");
        client.assert_ended();
    } else {
        served.server().gate.open();
        served.server().trace.wait_for("finish");
    }
}

on_each_backend! {
    /// While it serves: a thousand connections leave no descriptor, and there are as many threads
    /// as workers.
    fn connections_leave_nothing_while_the_server_serves(backend: Backend) {
        let handler = handler_fn(|request: &mut StreamRequest<'_>| {
            let mut line = String::new();
            request.rfile.read_line(&mut line)?;
            let line = spawn(move || line).join().unwrap();
            Ok(request.wfile.write_all(line.as_bytes())?)
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(2);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let serve = |count| {
            for _ in 0..count {
                let client = connect(server.server_address());
                assert_eq!(client.exchange("hello\n").unwrap(), b"hello\n");
            }
            eventually("their ends", || server.mixin().coroutines() == 0);
        };
        serve(50);
        let before = descriptors();
        serve(1000);
        assert_eq!(descriptors().len(), before.len());
        // The serving thread, and the workers.
        assert_eq!(testkit::threads().len(), 3, "{:?}", testkit::threads());
        stop(server);
        assert_eq!(testkit::threads(), [""; 0]);
    }

    /// A66: no thread is made before the server serves, nor left when it is closed.
    fn threads_come_with_the_first_request_and_go_with_the_server(backend: Backend) {
        let greet = handler_fn(|request: &mut StreamRequest<'_>| {
            Ok(request.wfile.write_all(b"hello")?)
        });
        let builder = CoroutineTcpServer::builder(greet).backend(backend).workers(2);
        let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        assert_eq!(testkit::threads(), [""; 0]);
        let mut client = connect(server.server_address());
        server.handle_request().unwrap();
        assert_eq!(client.read_to_end().unwrap(), b"hello");
        assert_eq!(testkit::threads().len(), 2);
        assert!(server.server_close(Some(DEADLINE)));
        assert_eq!(testkit::threads(), [""; 0]);
    }

    /// B11: what a handler has spawned and not joined does not make a close last.
    fn what_was_spawned_ends_with_the_server(backend: Backend) {
        let handler = handler_fn(|_: &mut StreamRequest<'_>| {
            drop(spawn(|| sleep(Duration::from_secs(600))));
            Ok(())
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(2);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        assert_eq!(connect(server.server_address()).exchange("").unwrap(), b"");
        let begun = Instant::now();
        stop(server);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert_eq!(testkit::threads(), [""; 0]);
    }

    /// A65: with `block_on_close` off, requests go on by themselves; and leave nothing either.
    fn requests_that_are_not_waited_for_end_by_themselves(backend: Backend) {
        is_left_alone::<Tcp>(backend);
        is_left_alone::<Udp>(backend);
    }

    /// A20: a server that is dropped while requests run lets them end.
    fn a_server_that_is_dropped_lets_its_requests_end(backend: Backend) {
        let mut client = {
            let server = bound::<Tcp, Coroutine>(|builder| builder.backend(backend).workers(2));
            let server = server.spawn();
            let client = server.hold();
            server.server().gate.open();
            client
        };
        assert_eq!(client.reply().unwrap(), "released");
    }
}
