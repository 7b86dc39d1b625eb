//! Mix-ins of a user's own, and those that are chosen at run time.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socketserver::mixin::{AnyMixIn, MixIn, PendingRequest, Threading, Unprocessed};
use socketserver::transport::{Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{Address, Server, TcpServer};
use testkit::DEADLINE;

use crate::common::{Hooks, Mix, Place, Script, Wire, serve};

type Job = Box<dyn FnOnce() + Send>;

/// Runs requests on two threads of its own, which it makes when the server is made, and gives up
/// when it is closed.
#[derive(Debug, Default)]
struct Workers {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<P: PendingRequest + Send + 'static> MixIn<P> for Workers {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        let queue = self.queue.lock().unwrap();
        let Some(queue) = &*queue else {
            let error = io::Error::other("nobody works any more");
            return Err(Unprocessed { request, error });
        };
        // The threads end only after the sender has been dropped.
        let _ = queue.send(Box::new(move || {
            request.finish();
        }));
        Ok(())
    }

    fn server_activate(&self) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel::<Job>();
        let receiver = std::sync::Arc::new(Mutex::new(receiver));
        for number in 1..=2 {
            let receiver = std::sync::Arc::clone(&receiver);
            let work = move || {
                loop {
                    let job = receiver.lock().unwrap().recv();
                    match job {
                        Ok(job) => job(),
                        Err(_) => return,
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(work)?;
            self.threads.lock().unwrap().push(thread);
        }
        *self.queue.lock().unwrap() = Some(sender);
        Ok(())
    }

    fn server_close(&self) {
        *self.queue.lock().unwrap() = None;
        for thread in self.threads.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
    }
}

impl<T: Wire> Mix<T> for Workers
where
    Self: MixIn<socketserver::Pending<T, Hooks>>,
{
    const IS_CONCURRENT: bool = true;
    const FORKS: bool = false;
}

fn is_served_by_workers<T: Wire>()
where
    Workers: Mix<T>,
{
    let _alone = testkit::alone();
    let server = serve::<T, Workers>();
    let names: BTreeSet<_> = (0..20).map(|_| server.ask("thread")).collect();
    assert!(names.iter().all(|name| name.starts_with("worker-")), "{names:?}");
    for text in ["fail", "panic"] {
        server.connect().send(text).unwrap();
        assert_eq!(server.ask("echo still here"), "still here");
    }
    let mut held = server.hold();
    thread::scope(|scope| {
        let closing = scope.spawn(|| server.drain(Some(DEADLINE)));
        server.server().trace.wait_for("server_close");
        server.server().gate.open();
        if T::IS_STREAM {
            assert_eq!(held.reply().unwrap(), "released", "it is waited for");
        }
        assert!(closing.join().unwrap().is_complete());
    });
    assert!(server.mixin().threads.lock().unwrap().is_empty(), "they have been joined");
    server.stop();
}

/// A93: any transport runs under a mix-in of the user's own.
#[test]
fn requests_run_on_a_pool_of_the_users_own() {
    is_served_by_workers::<Tcp>();
    is_served_by_workers::<Udp>();
    is_served_by_workers::<UnixStream>();
    is_served_by_workers::<UnixDatagram>();
}

/// Counts what it passes on to another: Python's `super().process_request(...)`.
#[derive(Debug, Default)]
struct Counted<M> {
    inner: M,
    count: AtomicUsize,
}

impl<P: PendingRequest, M: MixIn<P>> MixIn<P> for Counted<M> {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inner.process_request(request)
    }

    fn server_activate(&self) -> io::Result<()> {
        self.inner.server_activate()
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fileno()
    }

    fn service_actions(&self) {
        self.inner.service_actions();
    }

    fn handle_timeout(&self) {
        self.inner.handle_timeout();
    }

    fn block_on_close(&self) -> bool {
        self.inner.block_on_close()
    }

    fn running(&self) -> usize {
        self.inner.running()
    }

    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        self.inner.cut(force)
    }

    fn server_close(&self) {
        self.inner.server_close();
    }
}

/// A93: `process_request` is overridden, and calls the default.
#[test]
fn a_mixin_may_wrap_another() {
    let _alone = testkit::alone();
    let place = Place::new();
    let server = TcpServer::builder(Script::default)
        .mixin(Counted::<Threading>::default())
        .server(Hooks::default())
        .bind(&place)
        .unwrap()
        .spawn()
        .unwrap();
    for number in 0..3 {
        let mut client = Tcp::connect(server.server_address()).unwrap();
        assert_eq!(client.ask(&format!("echo {number}")).unwrap(), number.to_string());
    }
    assert_eq!(server.mixin().count.load(Ordering::SeqCst), 3);
    server.stop(Some(DEADLINE)).unwrap();
}

/// A mix-in that takes none: what it is given it gives back, drops, or panics over.
#[derive(Debug)]
enum Useless {
    GivesBack,
    Drops,
    Panics,
}

impl<P: PendingRequest> MixIn<P> for Useless {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        match self {
            Self::GivesBack => Err(Unprocessed { request, error: io::Error::other("not today") }),
            Self::Drops => Ok(()),
            Self::Panics => panic!("panicked over a request"),
        }
    }
}

/// A46, A69: no request is lost: its client sees the end, and the loop goes on.
fn closes_every_request(mixin: Useless) -> Vec<String> {
    let _alone = testkit::alone();
    let place = Place::new();
    let server = TcpServer::builder(Script::default)
        .mixin(mixin)
        .server(Hooks::default())
        .bind(&place)
        .unwrap()
        .spawn()
        .unwrap();
    for _ in 0..2 {
        let mut client = Tcp::connect(server.server_address()).unwrap();
        client.send("echo anybody").unwrap();
        client.assert_ended();
    }
    let texts = server.server().trace.texts();
    server.stop(Some(DEADLINE)).unwrap();
    texts
}

/// A46, A69.
#[test]
fn a_request_that_is_given_back_goes_to_handle_error() {
    let texts = closes_every_request(Useless::GivesBack);
    let told = "handle_error request could not be started: not today";
    assert_eq!(texts, ["verify_request", told, "verify_request", told]);
}

/// A44.
#[test]
fn a_request_that_is_dropped_is_closed() {
    assert_eq!(closes_every_request(Useless::Drops), ["verify_request"; 2]);
}

/// A26, B28.
#[test]
fn a_request_that_a_mixin_panics_over_is_closed() {
    assert_eq!(closes_every_request(Useless::Panics), ["verify_request"; 2]);
}

/// A2: the mix-in is a word of the configuration.
#[test]
fn a_mixin_is_chosen_by_its_name() {
    let _alone = testkit::alone();
    for (name, is_concurrent, forks) in [
        ("synchronous", false, false),
        ("threading", true, false),
        ("forking", true, true),
        ("coroutine", true, false),
    ] {
        let mut mixin: AnyMixIn = name.parse().unwrap();
        if let AnyMixIn::Forking(forking) = &mut mixin {
            forking.allow_threads = true;
        }
        let place = Place::new();
        let server = Server::<UnixStream, AnyMixIn, Script>::builder(Script::default)
            .mixin(mixin)
            .server(Hooks::default())
            .bind(&place)
            .unwrap()
            .spawn()
            .unwrap();
        let ask =
            |text: &str| UnixStream::connect(server.server_address()).unwrap().ask(text).unwrap();
        assert_eq!(ask("pid") != std::process::id().to_string(), forks, "{name}");
        assert_eq!(ask("thread") != "socketserver", is_concurrent && !forks, "{name}");
        if is_concurrent {
            let mut held = UnixStream::connect(server.server_address()).unwrap();
            held.send("hold").unwrap();
            server.server().trace.wait_for("held");
            assert_eq!(ask("echo meanwhile"), "meanwhile", "{name}");
            server.server().gate.open();
            assert_eq!(held.reply().unwrap(), "released", "{name}");
        }
        assert!(server.stop(Some(DEADLINE)).unwrap().is_complete(), "{name}");
    }
}
