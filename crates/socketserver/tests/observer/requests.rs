//! The events of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use socketserver::observe::Event;
use socketserver::transport::Transport;
use socketserver::{
    Address, BaseServer, ForkingTcpServer, RequestError, Result, StreamRequest,
    StreamRequestHandler, TcpServer, ThreadingTcpServer, ThreadingUdpServer, handler_fn,
};
use testkit::{DEADLINE, Gate, Trace, alone, datagram_client, eventually};

use crate::common::{EpollTcpServer, IoUringTcpServer};
use crate::noting::{connect, stop};

/// An event of a request's, as what and whose.
type Seen = (String, Address);

/// Passes the events of requests on.
fn observer(seen: Sender<Seen>) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let seen = std::sync::Mutex::new(seen);
    move |event| {
        let (what, whose) = match event {
            Event::Started { client_address, .. } => ("started".to_owned(), client_address),
            Event::Finished { client_address, failed: None, .. } => {
                ("finished well".to_owned(), client_address)
            }
            Event::Finished { client_address, failed: Some(failed), .. } => {
                (format!("finished with {}", failed.failure), client_address)
            }
            Event::Refused { client_address, .. } => ("refused".to_owned(), client_address),
            Event::Cut { client_address, .. } => ("cut".to_owned(), client_address),
            _ => return,
        };
        seen.lock().unwrap().send((what, (*whose).clone())).unwrap();
    }
}

/// Refuses, fails to handle errors, or does nothing of its own.
#[derive(Clone, Copy, Debug, Default)]
struct Hooks {
    refuses: bool,
    panics: bool,
}

impl<T: Transport> BaseServer<T> for Hooks {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        !self.refuses
    }

    fn handle_error(&self, _: &RequestError, _: &Address) {
        assert!(!self.panics, "in handle_error");
    }
}

/// Ends in one of the ways that there are.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    WithError,
    WithPanic,
    InSetup,
    InFinish,
}

impl StreamRequestHandler<Hooks> for Ends {
    fn setup(&mut self, _: &mut StreamRequest<'_, Hooks>) -> Result {
        match self {
            Self::InSetup => Err("in setup".into()),
            _ => Ok(()),
        }
    }

    fn handle(&mut self, _: &mut StreamRequest<'_, Hooks>) -> Result {
        match self {
            Self::WithError => Err("an error".into()),
            Self::WithPanic => panic!("a panic"),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _: &mut StreamRequest<'_, Hooks>) -> Result {
        match self {
            Self::InFinish => Err("in finish".into()),
            _ => Ok(()),
        }
    }
}

/// Whichever way a request ends, it has begun once and ended once, and the end comes after the
/// beginning.
#[test]
fn each_request_is_told_to_start_once_and_to_finish_once() {
    let _alone = alone();
    for (ends, finished) in [
        (Ends::Well, "finished well"),
        (Ends::WithError, "finished with an error"),
        (Ends::WithPanic, "finished with request handler panicked: a panic"),
        (Ends::InSetup, "finished with in setup"),
        (Ends::InFinish, "finished with in finish"),
    ] {
        for panics in [false, true] {
            macro_rules! check {
                ($alias:ident) => {
                    let (sender, seen) = channel();
                    let builder = $alias::builder(move || ends).observer(observer(sender));
                    let builder = builder.server(Hooks { panics, ..Hooks::default() });
                    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
                    let mut client = connect(server.server_address());
                    let own = rustix::net::getsockname(&client).unwrap();
                    let own = Address::from(std::net::SocketAddr::try_from(own).unwrap());
                    client.read_to_end().unwrap();
                    stop(server);
                    let seen: Vec<Seen> = seen.iter().collect();
                    let expected = ["started", finished].map(|what| (what.to_owned(), own.clone()));
                    assert_eq!(seen, expected);
                };
            }
            check!(TcpServer);
            check!(ThreadingTcpServer);
            check!(EpollTcpServer);
            check!(IoUringTcpServer);
        }
    }
}

/// Many at a time: each client's own events are one of each, whatever the order of all.
#[test]
fn requests_that_run_at_the_same_time_are_told_one_by_one() {
    let _alone = alone();
    const CLIENTS: usize = 50;
    let (sender, seen) = channel();
    let builder = ThreadingTcpServer::builder(|| Ends::Well).observer(observer(sender));
    let server = builder.server(Hooks::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(server.server_address())).collect();
    for mut client in clients {
        client.read_to_end().unwrap();
    }
    stop(server);
    let mut by_client = BTreeMap::<String, Vec<String>>::new();
    for (what, whose) in seen {
        by_client.entry(whose.to_string()).or_default().push(what);
    }
    assert_eq!(by_client.len(), CLIENTS);
    assert!(by_client.values().all(|seen| *seen == ["started", "finished well"]), "{by_client:?}");
}

/// Packets are requests too.
#[test]
fn packets_are_told_as_connections_are() {
    let _alone = alone();
    let (sender, seen) = channel();
    fn nothing(_: &mut socketserver::DatagramRequest<'_, Hooks>) -> Result {
        Ok(())
    }
    let builder = ThreadingUdpServer::builder(|| socketserver::HandlerFn::new(nothing));
    let builder = builder.observer(observer(sender)).server(Hooks::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"").unwrap();
    let own = Address::from(client.local_addr().unwrap());
    for what in ["started", "finished well"] {
        let event = seen.recv_timeout(DEADLINE).unwrap();
        assert_eq!(event, (what.to_owned(), own.clone()));
    }
    stop(server);
}

/// A44: a refused request has never begun.
#[test]
fn a_refused_request_is_told_to_be_refused_and_nothing_else() {
    let _alone = alone();
    let (sender, seen) = channel();
    let builder = TcpServer::builder(|| Ends::Well).observer(observer(sender));
    let builder = builder.server(Hooks { refuses: true, panics: false });
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    connect(server.server_address()).read_to_end().unwrap();
    stop(server);
    let seen: Vec<String> = seen.iter().map(|(what, _)| what).collect();
    assert_eq!(seen, ["refused"]);
}

/// B11: a cut request is told to be cut, once, and to finish, once.
#[test]
fn a_cut_request_is_told_to_be_cut_and_to_finish() {
    let _alone = alone();
    let (sender, seen) = channel();
    let reads = |request: &mut StreamRequest<'_, Hooks>| -> Result {
        request.rfile.read_exactly(1)?;
        Ok(())
    };
    let builder = ThreadingTcpServer::builder(handler_fn(reads)).observer(observer(sender));
    let server = builder.server(Hooks::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let _client = connect(server.server_address());
    assert_eq!(seen.recv_timeout(DEADLINE).unwrap().0, "started");
    let report = server.stop(Some(Duration::ZERO)).unwrap();
    assert_eq!(report.cut.len(), 1);
    let mut seen: Vec<String> = seen.iter().map(|(what, _)| what).collect();
    // Two threads tell it.
    seen.sort();
    assert_eq!(seen, ["cut", "finished with the server was closed and cut the request"]);
}

/// A request's time is counted from when it was accepted.
#[test]
fn the_time_that_a_request_took_is_told() {
    let _alone = alone();
    const TAKES: Duration = Duration::from_millis(30);
    let (sender, elapsed) = channel();
    let sender = std::sync::Mutex::new(sender);
    let observer = move |event: &Event<'_>| {
        if let Event::Finished { elapsed, .. } = event {
            sender.lock().unwrap().send(*elapsed).unwrap();
        }
    };
    let sleeps = |_: &mut StreamRequest<'_>| {
        std::thread::sleep(TAKES);
        Ok(())
    };
    let builder = TcpServer::builder(handler_fn(sleeps)).observer(observer).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let _client = connect(server.server_address());
    server.handle_request().unwrap();
    let elapsed = elapsed.recv().unwrap();
    assert!((TAKES..DEADLINE).contains(&elapsed), "{elapsed:?}");
}

/// A76: the parent hears of refusals, and the child of what happens in it.
#[test]
fn a_child_tells_its_observer_of_its_own_request() {
    let _alone = alone();
    let trace = Arc::new(Trace::new());
    let observed = Arc::clone(&trace);
    let observer = move |event: &Event<'_>| match event {
        Event::Started { .. } => observed.note("started"),
        Event::Finished { .. } => observed.note("finished"),
        Event::Refused { .. } => observed.note("refused"),
        _ => {}
    };
    let builder = ForkingTcpServer::builder(|| Ends::Well).allow_threads(true);
    let builder = builder.observer(observer).server(Hooks::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    connect(server.server_address()).read_to_end().unwrap();
    stop(server);
    let notes = trace.notes();
    assert_eq!(trace.texts(), ["started", "finished"]);
    assert!(notes.iter().all(|note| note.process == notes[0].process));
    assert_ne!(notes[0].process, std::process::id());
}

/// A panic in it is nobody else's.
#[test]
fn an_observer_that_panics_stops_nothing() {
    let _alone = alone();
    let gate = Arc::new(Gate::new());
    let told = Arc::new(Trace::new());
    let panicking = Arc::clone(&told);
    let observer = move |event: &Event<'_>| {
        panicking.note(format!("{event:?}"));
        panic!("in the observer");
    };
    let held = Arc::clone(&gate);
    let greets = move |request: &mut StreamRequest<'_>| -> Result {
        request.connection().send_all(b"hello")?;
        held.pass();
        Ok(())
    };
    let builder = ThreadingTcpServer::builder(handler_fn(greets)).observer(observer);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let clients: Vec<_> = (0..3).map(|_| connect(server.server_address())).collect();
    eventually("three requests", || server.active_requests() == clients.len());
    gate.open();
    for mut client in clients {
        assert_eq!(client.read_to_end().unwrap(), b"hello");
    }
    stop(server);
    for (event, times) in [("Listening", 1), ("Started", 3), ("Finished", 3), ("Closed", 1)] {
        assert_eq!(told.count(event), times, "{:?}", told.texts());
    }
}

/// A53: nothing of a request is open any more when it is told to have finished, however it went.
#[test]
fn a_request_that_has_finished_is_closed() {
    let _alone = alone();
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let server = TcpServer::builder(handler_fn(|request: &mut StreamRequest<'_>| {
        let line = request.rfile.lines().next().unwrap()?;
        Ok(line.parse::<u8>().map(drop)?)
    }))
    .observer(move |event: &Event<'_>| {
        if let Event::Finished { .. } = event {
            tell.lock().unwrap().send(testkit::descriptors().len()).unwrap();
        }
    })
    .bind("127.0.0.1:0")
    .unwrap();
    for line in ["7\n", "seven\n"] {
        let mut client = connect(server.server_address());
        client.send(line).unwrap();
        server.handle_request().unwrap();
    }
    let open: Vec<_> = told.try_iter().collect();
    assert_eq!(open[0], open[1]);
}
