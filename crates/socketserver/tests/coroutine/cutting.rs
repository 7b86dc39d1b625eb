//! A drain whose deadline comes while handlers wait, whatever they wait for.

use std::io::{BufRead, Write};
use std::os::unix::net::UnixListener;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socketserver::mixin::Backend;
use socketserver::sync::{Mutex, Semaphore, WaitGroup, unbounded_channel};
use socketserver::{
    Address, BaseServer, CoroutineTcpServer, RequestError, Result, StreamRequest, handler_fn, net,
    sleep, spawn,
};
use testkit::{DEADLINE, Trace, eventually, socket_path};

use crate::noting::connect;
use crate::on_each_backend;

/// Long enough for all to wait, and over at once for those who wait for ever.
const SHORT: Duration = Duration::from_millis(30);

/// For ever, as far as a test goes.
const LONG: Duration = Duration::from_secs(600);

#[derive(Default)]
struct State {
    trace: Trace,
    mutex: Mutex<()>,
    semaphore: OnceLock<Semaphore>,
    /// Where nobody answers.
    silent: OnceLock<std::path::PathBuf>,
}

impl BaseServer for State {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(format!("handle_error cut={}", error.is_cut()));
    }
}

/// Notes the end of a handler, however it ends.
struct Noting<'a>(&'a Trace);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

/// Waits for ever, for what the client says.
fn wait(request: &mut StreamRequest<'_, State>) -> Result {
    let mut line = String::new();
    request.rfile.read_line(&mut line)?;
    let state = request.server;
    let _noting = Noting(&state.trace);
    state.trace.note("waits");
    match line.trim_end() {
        "recv" => drop(request.rfile.read_line(&mut line)?),
        "sleep" => sleep(LONG),
        "mutex" => drop(state.mutex.lock()),
        "channel" => {
            let (_sender, receiver) = unbounded_channel::<()>();
            receiver.recv()?;
        }
        "semaphore" => drop(state.semaphore.get().unwrap().acquire()?),
        "group" => {
            let group = WaitGroup::new();
            let _work = group.add();
            group.wait();
        }
        "join" => spawn(|| sleep(LONG)).join().unwrap_or_else(|cut| resume_unwind(cut)),
        "other" => {
            let mut other = net::UnixStream::connect(state.silent.get().unwrap())?;
            std::io::Read::read(&mut other, &mut [0])?;
        }
        "send" => loop {
            request.wfile.write_all(&[0; 64 * 1024])?;
        },
        other => return Err(format!("no such wait: {other:?}").into()),
    }
    Err("it was not cut".into())
}

on_each_backend! {
    /// B11: all are cut and end, with their destructors run; the report lists them, and
    /// `handle_error` is told why.
    fn what_a_handler_waits_for_is_cut_with_the_deadline(backend: Backend) {
        let state = Arc::new(State::default());
        let place = socket_path();
        let _listener = UnixListener::bind(&place).unwrap();
        state.silent.set(place.to_path_buf()).unwrap();
        state.semaphore.set(Semaphore::new(0)).unwrap();
        let server = CoroutineTcpServer::builder(handler_fn(wait))
            .backend(backend)
            .workers(2)
            .shared_server(Arc::clone(&state))
            .bind("127.0.0.1:0")
            .unwrap()
            .spawn()
            .unwrap();
        let held = state.mutex.lock();
        let ways = [
            "recv", "sleep", "mutex", "channel", "semaphore", "group", "join", "other", "send",
        ];
        let clients: Vec<_> = ways
            .iter()
            .map(|way| {
                let mut client = connect(server.server_address());
                client.send(format!("{way}\n")).unwrap();
                client
            })
            .collect();
        state.trace.wait_for_several(ways.len(), "waits");
        let report = server.drain(Some(SHORT));
        assert_eq!((report.cut.len(), report.finished), (ways.len(), 0), "{report:?}");
        assert_eq!(report.unfinished, 0, "{report:?}: {:?}", state.trace.texts());
        assert_eq!(state.trace.count("dropped"), ways.len());
        assert_eq!(state.trace.count("handle_error"), ways.len());
        // To one who writes it may look as if the client had gone.
        assert!(state.trace.count("handle_error cut=true") >= ways.len() - 1);
        drop(held);
        drop(clients);
        server.stop(Some(DEADLINE)).unwrap();
    }

    /// B11: those that end in time are not cut, and those that are do not take them along.
    fn who_ends_in_time_is_not_cut(backend: Backend) {
        let handler = handler_fn(|request: &mut StreamRequest<'_>| {
            let mut line = String::new();
            request.rfile.read_line(&mut line)?;
            sleep(Duration::from_millis(line.trim_end().parse()?));
            assert!(!request.is_cut());
            Ok(request.wfile.write_all(b"in time")?)
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(2);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut quick = connect(server.server_address());
        quick.send("50\n").unwrap();
        let mut slow = connect(server.server_address());
        slow.send("600000\n").unwrap();
        eventually("both run", || server.mixin().coroutines() == 2);
        let report = server.drain(Some(Duration::from_secs(1)));
        assert_eq!((report.cut.len(), report.finished, report.unfinished), (1, 1, 0));
        assert_eq!(quick.read_to_end().unwrap(), b"in time");
        assert_eq!(slow.read_to_end().unwrap(), b"");
        server.stop(Some(DEADLINE)).unwrap();
    }

    /// B11: a handler that goes on although its waits fail is told that it was cut.
    fn a_handler_sees_that_it_was_cut(backend: Backend) {
        let trace = Arc::new(Trace::new());
        let notes = Arc::clone(&trace);
        let handler = handler_fn(move |request: &mut StreamRequest<'_>| {
            notes.note("waits");
            let error = request.rfile.read_line(&mut String::new()).unwrap_err();
            notes.note(format!("{:?} {}", error.kind(), request.is_cut()));
            // And so does every other wait from now on.
            let (_sender, receiver) = unbounded_channel::<()>();
            notes.note(format!("{}", receiver.recv().is_err()));
            Ok(())
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let client = connect(server.server_address());
        trace.wait_for("waits");
        let report = server.drain(Some(Duration::ZERO));
        assert_eq!((report.cut.len(), report.unfinished), (1, 0));
        assert_eq!(trace.texts(), ["waits", "ConnectionAborted true", "true"]);
        drop(client);
        server.stop(Some(DEADLINE)).unwrap();
    }
}
