use std::io::{self, BufRead};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{process, thread};

use socketserver::handler::RequestHandler;
use socketserver::mixin::{AnyMixIn, Coroutine, Forking, Synchronous};
use socketserver::transport::{ServerBind, Tcp, Udp, UnixDatagram, UnixStream};
use socketserver::{Address, Server};

use super::behaviour::Behaviour;
use super::handlers::Scripted;
use super::hooks::{Hooks, Traced, TracedMixIn};
use super::raw::Raw;
use super::tracing::{self, kind, this_thread_is, trace};

const POLL_INTERVAL: f64 = 0.02;

/// Makes a server and does what is commanded, until `exit`.
///
/// `handle_request` and `serve` are queued for the loop's thread, `shutdown`, `close` and
/// `rebind` run at once, each on a thread of its own.
pub(crate) fn serve(arguments: &[String]) -> io::Result<()> {
    let [transport, mixin, words] = arguments else {
        return Err(io::Error::other("serve wants a transport, a mix-in and a behaviour"));
    };
    tracing::start()?;
    this_thread_is("main");
    let behaviour = Arc::new(Behaviour::parse(words));
    let mixin =
        TracedMixIn { inner: any_mixin(mixin, &behaviour)?, behaviour: Arc::clone(&behaviour) };
    // Kept for as long as the server is.
    let (address, _squatter) = address(transport, behaviour.get("address"))?;
    let raw = behaviour.is("handler", "raw");
    match (transport.as_str(), raw) {
        ("tcp", false) => run::<Tcp, String, Scripted, _>(address, mixin, behaviour),
        ("tcp", true) => run::<Tcp, String, Raw, _>(address, mixin, behaviour),
        ("udp", false) => run::<Udp, String, Scripted, _>(address, mixin, behaviour),
        ("udp", true) => run::<Udp, String, Raw, _>(address, mixin, behaviour),
        ("unix", false) => run::<UnixStream, PathBuf, Scripted, _>(address, mixin, behaviour),
        ("unix", true) => run::<UnixStream, PathBuf, Raw, _>(address, mixin, behaviour),
        (_, false) => run::<UnixDatagram, PathBuf, Scripted, _>(address, mixin, behaviour),
        (_, true) => run::<UnixDatagram, PathBuf, Raw, _>(address, mixin, behaviour),
    }
}

fn any_mixin(name: &str, behaviour: &Behaviour) -> io::Result<AnyMixIn> {
    if let Some(backend) = name.strip_prefix("coroutine_") {
        let mut coroutine = Coroutine::default();
        coroutine.backend = backend.parse()?;
        // Several take requests in any order among them, and the order is compared.
        coroutine.workers = 1;
        return Ok(coroutine.into());
    }
    let mut mixin = name.parse().map_err(io::Error::other)?;
    if let AnyMixIn::Forking(Forking { allow_threads, max_children, .. }) = &mut mixin {
        // The other threads wait, or write lines with one system call each.
        *allow_threads = true;
        *max_children = behaviour.number("max_children").unwrap_or(*max_children);
    }
    Ok(mixin)
}

/// Where to bind, and who is bound there already.
fn address(transport: &str, state: Option<&str>) -> io::Result<(String, Option<OwnedFd>)> {
    const ANY_PORT: &str = "127.0.0.1:0";
    const PATH: &str = "server";
    let bare = if matches!(transport, "tcp" | "udp") { ANY_PORT } else { PATH };
    if state.is_none() {
        return Ok((bare.to_owned(), None));
    }
    let (address, squatter) = match transport {
        "tcp" => {
            let socket = std::net::TcpListener::bind(ANY_PORT)?;
            (socket.local_addr()?.to_string(), OwnedFd::from(socket))
        }
        "udp" => {
            let socket = std::net::UdpSocket::bind(ANY_PORT)?;
            (socket.local_addr()?.to_string(), OwnedFd::from(socket))
        }
        "unix" => (PATH.to_owned(), net::UnixListener::bind(PATH)?.into()),
        "unixgram" => (PATH.to_owned(), net::UnixDatagram::bind(PATH)?.into()),
        _ => {
            return Err(io::Error::other(format!("no such transport: {transport:?}")));
        }
    };
    Ok((address, (state != Some("stale")).then_some(squatter)))
}

fn run<T, A, H, Via>(
    address: String,
    mixin: TracedMixIn<AnyMixIn>,
    behaviour: Arc<Behaviour>,
) -> io::Result<()>
where
    T: ServerBind<A> + Default + Send + Sync + 'static,
    T::Socket: Send + Sync,
    T::Request: Send + Sync,
    A: From<String>,
    H: RequestHandler<T::Kind, Hooks, Via> + for<'a> From<&'a Behaviour> + 'static,
{
    let passes = Arc::new(AtomicU32::new(0));
    let hooks = Hooks { behaviour: Arc::clone(&behaviour), passes: Arc::clone(&passes) };
    let for_handlers = Arc::clone(&behaviour);
    let poll = match behaviour.get("poll") {
        Some("none") => None,
        _ => Some(behaviour.number("poll").unwrap_or(POLL_INTERVAL)),
    };
    let timeout = behaviour.number("timeout");
    let mut builder = Server::<T, Synchronous, H>::builder(move || H::from(&for_handlers))
        .mixin(mixin)
        .transport(|inner| Traced { inner, behaviour, last: AtomicU32::new(0) })
        .server(hooks)
        .poll_interval(poll.map(Duration::from_secs_f64));
    if let Some(timeout) = timeout {
        builder = builder.timeout(Duration::from_secs_f64(timeout));
    }
    let server = match builder.bind(A::from(address)) {
        Ok(server) => Arc::new(server),
        Err(error) => {
            trace(format_args!("constructor.raised:{}", kind(Some(&error))));
            let _exit = io::stdin().lock().lines().next();
            trace("~exit");
            return Ok(());
        }
    };
    trace(format_args!("~address {}", plain(server.server_address())));

    let (jobs, queue) = mpsc::channel();
    let in_loop = Arc::clone(&server);
    thread::spawn(move || {
        this_thread_is("loop");
        for job in queue {
            match job {
                Job::Serve => {
                    trace("serve_forever");
                    trace("~select");
                    ended("serve_forever", in_loop.serve_forever());
                }
                Job::HandleRequest => {
                    trace("handle_request");
                    trace("~select");
                    ended("handle_request", in_loop.handle_request().map(drop));
                }
            }
        }
    });
    for command in io::stdin().lock().lines() {
        passes.store(0, Ordering::Relaxed);
        let server = Arc::clone(&server);
        match command?.as_str() {
            "handle_request" => jobs.send(Job::HandleRequest).map_err(io::Error::other)?,
            "serve" => jobs.send(Job::Serve).map_err(io::Error::other)?,
            "shutdown" => control("shutdown", move || {
                server.shutdown();
                Ok(())
            }),
            "close" => control("close", move || {
                server.server_close(None);
                Ok(())
            }),
            "rebind" => control("rebind", move || {
                let address = A::from(plain(server.server_address()));
                T::default().server_bind(address).map(drop)
            }),
            // The loop's thread may still wait for jobs.
            "exit" => {
                trace("~exit");
                process::exit(0);
            }
            other => return Err(io::Error::other(format!("no such command: {other:?}"))),
        }
    }
    Err(io::Error::other("the driver has gone"))
}

enum Job {
    HandleRequest,
    Serve,
}

fn control(command: &'static str, call: impl FnOnce() -> io::Result<()> + Send + 'static) {
    thread::spawn(move || {
        this_thread_is(command);
        trace(command);
        ended(command, call());
    });
}

fn ended(what: &str, result: io::Result<()>) {
    match result {
        Ok(()) => trace(format_args!("{what}.returned")),
        Err(error) => trace(format_args!("{what}.raised:{}", kind(Some(&error)))),
    }
}

/// The address as the driver's clients want it.
fn plain(address: &Address) -> String {
    match (address.as_inet(), address.as_path()) {
        (Some(address), _) => address.to_string(),
        (_, Some(path)) => path.display().to_string(),
        (None, None) => String::new(),
    }
}
