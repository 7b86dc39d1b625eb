//! Handlers that panic, and destructors that wait while a panic unwinds.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use socketserver::mixin::Backend;
use socketserver::sync::{Mutex, unbounded_channel};
use socketserver::{CoroutineTcpServer, Result, StreamRequest, handler_fn, sleep, spawn};

use crate::noting::{Noting, connect, stop};
use crate::on_each_backend;

/// Waits in its destructor, by each of the means that there are.
struct WaitsAtItsEnd<'a>(&'a Noting);

impl Drop for WaitsAtItsEnd<'_> {
    fn drop(&mut self) {
        sleep(Duration::from_millis(1));
        let (sender, receiver) = unbounded_channel();
        let _ = sender.send(7);
        self.0.trace.note(format!("received {:?}", receiver.recv().ok()));
        let shared = Arc::new(Mutex::new(0));
        let held = shared.lock();
        assert!(shared.lock_timeout(Duration::from_millis(1)).is_err());
        drop(held);
        *shared.lock() += 1;
        socketserver::yield_now();
        self.0.trace.note("unwound");
    }
}

fn handle(request: &mut StreamRequest<'_, Noting>) -> Result {
    let mut line = String::new();
    request.rfile.read_line(&mut line)?;
    let noting = request.server;
    let _at_the_end = (line == "waits\n").then(|| WaitsAtItsEnd(noting));
    assert!(line == "hello\n", "as asked: {line:?}");
    Ok(request.wfile.write_all(b"hello\n")?)
}

on_each_backend! {
    /// A46: it is that one request's, and the others on its worker go on.
    fn a_panic_is_one_requests(backend: Backend) {
        let noting = Noting::default();
        let builder = CoroutineTcpServer::builder(handler_fn(handle)).backend(backend).workers(1);
        let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut other = connect(server.server_address());
        for count in 1..=3 {
            let panicking = connect(server.server_address());
            assert_eq!(panicking.exchange("panic\n").unwrap(), b"");
            let told = "error: request handler panicked: as asked: \"panic\\n\"";
            noting.trace.wait_for_several(count, told);
        }
        other.send("hello\n").unwrap();
        assert_eq!(other.read_to_end().unwrap(), b"hello\n");
        stop(server);
    }

    /// A destructor that waits while a panic unwinds blocks its thread, which counts its panics;
    /// so a second coroutine cannot panic meanwhile, which would end the process.
    fn a_destructor_may_wait_while_a_panic_unwinds(backend: Backend) {
        let noting = Noting::default();
        let builder = CoroutineTcpServer::builder(handler_fn(handle)).backend(backend).workers(1);
        let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut clients: Vec<_> = (0..8).map(|_| connect(server.server_address())).collect();
        for client in &mut clients {
            client.send("waits\n").unwrap();
        }
        for client in &mut clients {
            assert_eq!(client.read_to_end().unwrap(), b"");
        }
        noting.trace.wait_for_several(8, "error: request handler panicked");
        assert_eq!(noting.trace.count("received Some(7)"), 8);
        assert_eq!(noting.trace.count("unwound"), 8);
        assert_eq!(connect(server.server_address()).exchange("hello\n").unwrap(), b"hello\n");
        stop(server);
    }

    /// The panic of a child that was spawned is for who joins it.
    fn a_panic_of_a_child_is_told_to_who_joins_it(backend: Backend) {
        let handler = handler_fn(|request: &mut StreamRequest<'_>| {
            let panicked = spawn(|| panic!("of the child")).join().is_err();
            Ok(write!(request.wfile, "{panicked}")?)
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"true");
        stop(server);
    }
}
