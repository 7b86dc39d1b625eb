//! A transport whose `get_request` does what a script says, and then what it always does.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use socketserver::mixin::{AnyMixIn, Backend, Coroutine, Synchronous};
use socketserver::observe::{AcceptAction, Event};
use socketserver::transport::{Connection, ServerBind, Stream, Tcp, Transport};
use socketserver::{Address, HandlerFn, Result, StreamRequest, TcpServer};

/// What one call of `get_request` does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// It fails with this error of the kernel's.
    Errno(i32),
    /// It fails with an error that is none of the kernel's.
    Error,
    /// It panics.
    Panic,
}

#[derive(Debug)]
pub(crate) struct Scripted {
    tcp: Tcp,
    steps: Mutex<VecDeque<Step>>,
    calls: AtomicUsize,
}

impl Scripted {
    /// One that does `steps`, and then what `tcp` does.
    pub(crate) fn new(tcp: Tcp, steps: &[Step]) -> Self {
        let steps = Mutex::new(steps.iter().copied().collect());
        Self { tcp, steps, calls: AtomicUsize::new(0) }
    }

    /// How often `get_request` has been called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Adds to the script.
    pub(crate) fn then(&self, steps: &[Step]) {
        self.steps.lock().unwrap().extend(steps);
    }
}

impl<A: ToSocketAddrs> ServerBind<A> for Scripted {
    fn server_bind(&self, address: A) -> io::Result<TcpListener> {
        self.tcp.server_bind(address)
    }
}

impl Transport for Scripted {
    type Kind = Stream;
    type Socket = TcpListener;
    type Request = TcpStream;

    fn server_activate(&self, socket: &TcpListener) -> io::Result<()> {
        self.tcp.server_activate(socket)
    }

    fn server_address(&self, socket: &TcpListener) -> io::Result<Address> {
        self.tcp.server_address(socket)
    }

    fn get_request(&self, socket: &TcpListener) -> io::Result<(Arc<TcpStream>, Address)> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let step = self.steps.lock().unwrap().pop_front();
        match step {
            Some(Step::Errno(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Step::Error) => Err(io::Error::other("of the transport's own")),
            Some(Step::Panic) => panic!("panicked as scripted"),
            None => self.tcp.get_request(socket),
        }
    }

    fn connection(&self, request: &Arc<TcpStream>) -> Arc<dyn Connection> {
        self.tcp.connection(request)
    }

    fn shutdown_request(&self, request: &TcpStream) {
        self.tcp.shutdown_request(request);
    }
}

/// What an observer was told of accepting.
pub(crate) type Told = Arc<Mutex<Vec<(String, Option<AcceptAction>)>>>;

pub(crate) type Server =
    socketserver::Server<Scripted, AnyMixIn, HandlerFn<fn(&mut StreamRequest<'_>) -> Result>>;

/// The loop that takes requests on its own thread, and the coroutines that do.
pub(crate) fn mixins() -> [AnyMixIn; 3] {
    [Synchronous::default().into(), coroutine(Backend::Epoll), coroutine(Backend::IoUring)]
}

/// One worker, so that a script is played in its order.
fn coroutine(backend: Backend) -> AnyMixIn {
    let mut coroutine = Coroutine::default();
    coroutine.backend = backend;
    coroutine.workers = 1;
    coroutine.into()
}

/// Answers everybody.
fn hello(request: &mut StreamRequest<'_>) -> Result {
    Ok(request.wfile.write_all(b"hello")?)
}

/// A server that answers `hello` to whom it accepts, with what its observer is told.
pub(crate) fn server(mixin: AnyMixIn, steps: &[Step]) -> (Server, Told) {
    let told = Told::default();
    let seen = Arc::clone(&told);
    let hello: fn(&mut StreamRequest<'_>) -> Result = hello;
    let server = TcpServer::builder(move || HandlerFn::new(hello))
        .transport(|tcp| Scripted::new(tcp, steps))
        .mixin(mixin)
        .observer(move |event: &Event<'_>| {
            let told = match event {
                Event::AcceptError { error, action, .. } => (error.to_string(), Some(*action)),
                Event::HookPanicked { hook, .. } => (format!("panic in {hook}"), None),
                _ => return,
            };
            seen.lock().unwrap().push(told);
        })
        .bind("127.0.0.1:0")
        .unwrap();
    (server, told)
}
