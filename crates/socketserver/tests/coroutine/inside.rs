//! Servers that are stopped and closed by a coroutine of their own.

use std::io::{BufRead, Write};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use socketserver::mixin::{Backend, Coroutine};
use socketserver::transport::Tcp;
use socketserver::{
    Address, BaseServer, CoroutineTcpServer, HandlerFn, RequestError, Result, Server, StreamRequest,
};
use testkit::{DEADLINE, Gate, Trace, eventually};

use crate::noting::connect;
use crate::on_each_backend;

type Handler = HandlerFn<fn(&mut StreamRequest<'_, Closing>) -> Result>;
type Closer = Box<dyn Fn(Option<Duration>) -> bool + Send + Sync>;

/// A server that closes itself, or shuts itself down.
struct Closing {
    deadline: Option<Duration>,
    close: OnceLock<Closer>,
    trace: Trace,
    gate: Gate,
    in_verify_request: bool,
}

impl Closing {
    fn close(&self) {
        let is_complete = self.close.get().unwrap()(self.deadline);
        self.trace.note(format!("closed {is_complete}"));
    }
}

impl BaseServer for Closing {
    fn verify_request(&self, _: &std::net::TcpStream, _: &Address) -> bool {
        if self.in_verify_request {
            self.close();
        }
        true
    }

    fn handle_error(&self, error: &RequestError, _: &Address) {
        if error.to_string().contains("failed as asked") {
            self.close();
        }
    }
}

/// Does as its line says, and answers.
fn handle(request: &mut StreamRequest<'_, Closing>) -> Result {
    let mut line = String::new();
    request.rfile.read_line(&mut line)?;
    match line.trim_end() {
        "close" => request.server.close(),
        "shutdown" => request.shutdown_handle.shutdown(),
        "fail" => return Err("failed as asked".into()),
        "wait" => {
            request.server.trace.note("waits");
            request.rfile.read_line(&mut line)?;
        }
        "hold" => {
            request.server.trace.note("held");
            request.server.gate.pass();
        }
        _ => {}
    }
    Ok(request.wfile.write_all(b"done\n")?)
}

fn server(
    backend: Backend,
    workers: usize,
    deadline: Option<Duration>,
    in_verify_request: bool,
) -> Arc<Server<Tcp, Coroutine, Handler, Closing>> {
    let (close, trace, gate) = (OnceLock::new(), Trace::new(), Gate::new());
    let handler: fn(&mut StreamRequest<'_, Closing>) -> Result = handle;
    let server = CoroutineTcpServer::builder(move || HandlerFn::new(handler))
        .backend(backend)
        .workers(workers)
        .server(Closing { deadline, close, trace, gate, in_verify_request })
        .bind("127.0.0.1:0")
        .unwrap();
    let server = Arc::new(server);
    // Weak, for the state is the server's own.
    let weak = Arc::downgrade(&server);
    let close: Closer = Box::new(move |deadline| weak.upgrade().unwrap().server_close(deadline));
    assert!(server.server().close.set(close).is_ok());
    server
}

/// One client; the loop ends by itself, and the client is answered.
fn closes_itself(backend: Backend, workers: usize, line: &str, reply: &[u8]) {
    let server = server(backend, workers, None, false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let client = connect(server.server_address());
        assert_eq!(client.exchange(line).unwrap(), reply);
        serving.join().unwrap().unwrap();
    });
    server.server().trace.wait_for("closed true");
    assert!(server.server_close(None));
}

on_each_backend! {
    /// B14: with one worker, which is its own, and with two.
    fn a_handler_closes_its_server(backend: Backend) {
        closes_itself(backend, 1, "close\n", b"done\n");
        closes_itself(backend, 2, "close\n", b"done\n");
    }

    /// B14.
    fn handle_error_closes_its_server(backend: Backend) {
        closes_itself(backend, 1, "fail\n", b"");
        closes_itself(backend, 2, "fail\n", b"");
    }

    /// B14: before its handler has run; the request is handled all the same.
    fn verify_request_closes_its_server(backend: Backend) {
        for workers in [1, 2] {
            let server = server(backend, workers, None, true);
            thread::scope(|scope| {
                let serving = scope.spawn(|| server.serve_forever());
                let client = connect(server.server_address());
                assert_eq!(client.exchange("hello\n").unwrap(), b"done\n");
                serving.join().unwrap().unwrap();
            });
            server.server().trace.wait_for("closed true");
            assert!(server.server_close(None));
        }
    }

    /// A33, B2: `shutdown` in a handler waits for the loop, which is not in its way.
    fn a_handler_shuts_its_server_down(backend: Backend) {
        for workers in [1, 2] {
            let server = server(backend, workers, None, false);
            for _ in 0..3 {
                thread::scope(|scope| {
                    let serving = scope.spawn(|| server.serve_forever());
                    let client = connect(server.server_address());
                    assert_eq!(client.exchange("shutdown\n").unwrap(), b"done\n");
                    serving.join().unwrap().unwrap();
                });
            }
            assert!(server.server_close(Some(DEADLINE)));
        }
    }

    /// B14: it waits for the others, wherever they run, and not for itself.
    fn a_handler_that_closes_its_server_waits_for_the_others(backend: Backend) {
        for workers in [1, 2] {
            let server = server(backend, workers, Some(DEADLINE), false);
            thread::scope(|scope| {
                let serving = scope.spawn(|| server.serve_forever());
                let mut held: Vec<_> = (0..4)
                    .map(|_| {
                        let mut held = connect(server.server_address());
                        held.send("hold\n").unwrap();
                        held
                    })
                    .collect();
                server.server().trace.wait_for_several(4, "held");
                let mut closer = connect(server.server_address());
                closer.send("close\n").unwrap();
                serving.join().unwrap().unwrap();
                assert_eq!(server.server().trace.count("closed"), 0, "it waits for the others");
                server.server().gate.open();
                for held in &mut held {
                    assert_eq!(held.read_to_end().unwrap(), b"done\n");
                }
                assert_eq!(closer.read_to_end().unwrap(), b"done\n");
            });
            assert_eq!(server.server().trace.count("closed true"), 1);
            assert!(server.server_close(Some(DEADLINE)));
        }
    }

    /// B11, B14: with its deadline it cuts the others, on its own worker and on the other, and not
    /// itself.
    fn a_handler_that_closes_its_server_cuts_the_others(backend: Backend) {
        for workers in [1, 2] {
            let server = server(backend, workers, Some(Duration::from_millis(20)), false);
            thread::scope(|scope| {
                let serving = scope.spawn(|| server.serve_forever());
                let mut held: Vec<_> = (0..4)
                    .map(|_| {
                        let mut held = connect(server.server_address());
                        held.send("wait\n").unwrap();
                        held
                    })
                    .collect();
                server.server().trace.wait_for_several(4, "waits");
                let closer = connect(server.server_address());
                assert_eq!(closer.exchange("close\n").unwrap(), b"done\n");
                for held in &mut held {
                    assert_eq!(held.read_to_end().unwrap(), b"");
                }
                serving.join().unwrap().unwrap();
            });
            assert_eq!(server.server().trace.count("closed false"), 1);
            assert!(server.server_close(Some(DEADLINE)), "all have ended");
        }
    }

    /// B14: two that close at the same time wait for each other, and no longer than they said.
    fn two_handlers_close_their_server_within_their_deadlines(backend: Backend) {
        let server = server(backend, 2, Some(Duration::from_millis(50)), false);
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            let mut clients = [connect(server.server_address()), connect(server.server_address())];
            // Both run before either closes.
            eventually("two requests", || server.active_requests() == 2);
            for client in &mut clients {
                client.send("close\n").unwrap();
            }
            serving.join().unwrap().unwrap();
            server.server().trace.wait_for_several(2, "closed");
        });
        assert!(server.server_close(Some(DEADLINE)));
    }
}
