//! The order of the phases, and on which thread each is.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use socketserver::mixin::{MixIn, Synchronous, Threading};
use socketserver::transport::{Tcp, Transport, Udp};
use socketserver::{
    Address, BaseServer, DatagramRequest, DatagramRequestHandler, Failed, FinishRequest, Outcome,
    Pending, RequestError, Result, Server, StreamRequest, StreamRequestHandler, TcpServer,
    ThreadingTcpServer, UdpServer,
};
use testkit::{Client, DEADLINE, Trace, alone, datagram_client};

use crate::noting::{Noted, NotedMixIn, connect};

/// Takes note of every hook, and calls the default of each.
#[derive(Debug)]
struct Every {
    trace: Arc<Trace>,
    refuses: AtomicBool,
}

impl<T: Transport> BaseServer<T> for Every {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        self.trace.note("verify_request");
        !self.refuses.load(Ordering::SeqCst)
    }

    fn finish_request(&self, request: FinishRequest<'_, T::Kind, Self>) -> Result<(), Failed> {
        self.trace.note("finish_request");
        request.finish()
    }

    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(format!("handle_error {error}"));
    }
}

/// Takes note of its phases; `handle` fails if it was told so.
struct Phases {
    trace: Arc<Trace>,
    fails: bool,
}

impl Phases {
    fn new(trace: &Arc<Trace>, fails: bool) -> impl Fn() -> Self + Send + Sync + 'static {
        let trace = Arc::clone(trace);
        move || {
            trace.note("handler");
            Self { trace: Arc::clone(&trace), fails }
        }
    }

    fn phase(&self, phase: &str) -> Result {
        self.trace.note(phase);
        match self.fails && phase == "handle" {
            true => Err("failed".into()),
            false => Ok(()),
        }
    }
}

impl<S> StreamRequestHandler<S> for Phases {
    fn setup(&mut self, _: &mut StreamRequest<'_, S>) -> Result {
        self.phase("setup")
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        request.wfile.write_all(b"reply")?;
        self.phase("handle")
    }

    fn finish(&mut self, _: &mut StreamRequest<'_, S>) -> Result {
        self.phase("finish")
    }
}

impl<S> DatagramRequestHandler<S> for Phases {
    fn setup(&mut self, _: &mut DatagramRequest<'_, S>) -> Result {
        self.phase("setup")
    }

    fn handle(&mut self, _: &mut DatagramRequest<'_, S>) -> Result {
        self.phase("handle")
    }

    fn finish(&mut self, _: &mut DatagramRequest<'_, S>) -> Result {
        self.phase("finish")
    }
}

const BEFORE: [&str; 8] = [
    "get_request",
    "verify_request",
    "process_request",
    "open",
    "finish_request",
    "handler",
    "setup",
    "handle",
];
const AFTER: [&str; 2] = ["shutdown_request", "close_request"];

type NotedServer<T, M> = Server<Noted<T>, NotedMixIn<M>, Phases, Every>;

fn tcp<M>(mixin: M, fails: bool, refuses: bool) -> NotedServer<Tcp, M>
where
    M: MixIn<Pending<Noted<Tcp>, Every>>,
{
    let trace = Arc::<Trace>::default();
    let builder = TcpServer::builder(Phases::new(&trace, fails))
        .transport(|tcp| Noted(tcp, Arc::clone(&trace)))
        .mixin(NotedMixIn(mixin, Arc::clone(&trace)))
        .server(Every { trace, refuses: refuses.into() });
    builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap()
}

fn udp(fails: bool, refuses: bool) -> NotedServer<Udp, Synchronous> {
    let trace = Arc::<Trace>::default();
    let builder = UdpServer::builder(Phases::new(&trace, fails))
        .transport(|udp| Noted(udp, Arc::clone(&trace)))
        .mixin(NotedMixIn(Synchronous::default(), Arc::clone(&trace)))
        .server(Every { trace, refuses: refuses.into() });
    builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap()
}

/// A client's side of one request: what it has connected, if it connects.
type Sender = fn(&Address) -> Option<Client>;

const STREAM: Sender = |address| Some(connect(address));
const PACKET: Sender = |address| {
    let client = datagram_client(address.as_inet().unwrap()).unwrap();
    client.send(b"packet").unwrap();
    None
};

/// Has one request handled.
#[track_caller]
fn one<T, M>(server: &NotedServer<T, M>, send: Sender) -> (Outcome, Vec<String>)
where
    T: Transport,
    M: MixIn<Pending<Noted<T>, Every>>,
{
    let client = send(server.server_address());
    let outcome = server.handle_request().unwrap();
    if let Some(mut client) = client {
        client.read_to_end().unwrap();
    }
    assert!(server.server_close(Some(DEADLINE)));
    (outcome, server.server().trace.texts())
}

/// A42, A52, A56, A77, A93: over TCP and UDP alike, though over UDP no socket is closed.
#[test]
fn a_request_goes_through_the_phases_in_pythons_order() {
    let _alone = alone();
    let expected = [&BEFORE[..], &["finish"], &AFTER].concat();
    for (outcome, notes) in [
        one(&tcp(Synchronous::default(), false, false), STREAM),
        one(&udp(false, false), PACKET),
        one(&tcp(Threading::default(), false, false), STREAM),
    ] {
        assert_eq!((outcome, notes), (Outcome::Processed, own(&expected)));
    }
}

/// A46, A79: after `finish`, and while the request is still open.
#[test]
fn a_failure_goes_to_handle_error_before_the_request_is_shut_down() {
    let _alone = alone();
    let failed = &["finish", "handle_error failed"];
    let expected = [&BEFORE[..], failed, &AFTER].concat();
    for (outcome, notes) in [
        one(&tcp(Synchronous::default(), true, false), STREAM),
        one(&udp(true, false), PACKET),
        one(&tcp(Threading::default(), true, false), STREAM),
    ] {
        assert_eq!((outcome, notes), (Outcome::Processed, own(&expected)));
    }
}

/// A44: no `process_request`, no handler, no `handle_error`; and one shutdown, not two.
#[test]
fn a_refused_request_is_shut_down_once_and_nothing_else() {
    let _alone = alone();
    let expected = [&BEFORE[..2], &AFTER].concat();
    for (outcome, notes) in [
        one(&tcp(Synchronous::default(), false, true), STREAM),
        one(&udp(false, true), PACKET),
        one(&tcp(Threading::default(), false, true), STREAM),
    ] {
        assert_eq!((outcome, notes), (Outcome::Refused, own(&expected)));
    }
}

fn own(notes: &[&str]) -> Vec<String> {
    notes.iter().copied().map(str::to_owned).collect()
}

/// Takes note of the thread that each hook is called on.
struct Threads(Trace);

impl<T: Transport> BaseServer<T> for Threads {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        self.here("verify_request");
        true
    }

    fn finish_request(&self, request: FinishRequest<'_, T::Kind, Self>) -> Result<(), Failed> {
        self.here("finish_request");
        request.finish()
    }

    fn handle_error(&self, _: &RequestError, _: &Address) {
        self.here("handle_error");
    }
}

impl Threads {
    fn here(&self, phase: &str) {
        self.0.note(format!("{phase} {:?}", thread::current().id()));
    }
}

struct Where;

impl StreamRequestHandler<Threads> for Where {
    fn setup(&mut self, request: &mut StreamRequest<'_, Threads>) -> Result {
        request.server.here("setup");
        Ok(())
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, Threads>) -> Result {
        request.server.here("handle");
        Err("failed".into())
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, Threads>) -> Result {
        request.server.here("finish");
        Ok(())
    }
}

/// A62: everything from `finish_request` on is on the request's own thread.
#[test]
fn verify_request_is_on_the_serving_thread_and_the_rest_on_the_requests() {
    let _alone = alone();
    let server =
        ThreadingTcpServer::builder(|| Where).server(Threads(Trace::new())).timeout(DEADLINE);
    let server = server.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    assert!(server.server_close(Some(DEADLINE)));

    let notes = server.server().0.texts();
    let (serving, rest) = notes.split_first().unwrap();
    assert_eq!(*serving, format!("verify_request {:?}", thread::current().id()));
    let (phases, threads): (Vec<_>, Vec<_>) =
        rest.iter().filter_map(|note| note.split_once(' ')).unzip();
    assert_eq!(phases, ["finish_request", "setup", "handle", "finish", "handle_error"]);
    assert!(threads.windows(2).all(|pair| pair[0] == pair[1]), "{rest:?}");
    assert!(!serving.ends_with(threads[0]), "{notes:?}");
}
