//! Makes a server of an endpoint.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram as UnixDatagramSocket, UnixListener};
use std::sync::Arc;

use nix::libc::EBADF;
use socket2::SockRef;
use socketserver::mixin::{AnyMixIn, Coroutine, Forking, Synchronous, Threading};
use socketserver::transport::{Datagram, Stream, Tcp, Transport, Udp, UnixDatagram, UnixStream};
use socketserver::{Builder, Pending, Server};
use socketserver_sys::descriptor::take;
use socketserver_sys::socket::{SocketKind, kind};

use crate::args::MixIn;
use crate::endpoint::{Endpoint, Family, Inet, Name, Options, Place, Unix, located};
use crate::exit::Fatal;
use crate::handler::{DatagramHandler, Service, StreamHandler};
use crate::log::Log;
use crate::serve::Serve;
use crate::state::State;

/// What all endpoints have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mixin: MixIn,
    /// How many requests of one endpoint may run at a time.
    pub(crate) max: Option<usize>,
    pub(crate) coroutines: socketserver_coroutine::Config,
    /// How many threads of one endpoint run coroutines.
    pub(crate) workers: Option<usize>,
    pub(crate) backlog: Option<i32>,
    pub(crate) service: Arc<Service>,
    pub(crate) log: Log,
}

type StreamServer<T> = Builder<T, AnyMixIn, StreamHandler, State>;
type DatagramServer<T> = Builder<T, AnyMixIn, DatagramHandler, State>;

/// Binds a server to `endpoint`. Clients get into the kernel's queue from now on.
///
/// # Errors
///
/// Names the endpoint, and says what is wrong.
pub(crate) fn bind(endpoint: &Endpoint, settings: &Settings) -> Result<Arc<dyn Serve>, Fatal> {
    let Endpoint { place, options } = endpoint;
    let scheme = place.scheme();
    let bound = match place {
        Place::Inet { scheme: Inet { is_udp: false, family }, host, port } => {
            resolve(host, *port, *family).and_then(|addresses| {
                let (state, builder) = stream::<Tcp>(SocketKind::Tcp, settings)?;
                let builder = builder
                    .ipv6_only(*family == Family::V6)
                    .allow_reuse_port(options.reuse_port)
                    .request_queue_size(backlog(*options, settings));
                Ok(ready(&state, scheme, builder.bind(&*addresses)?))
            })
        }
        Place::Inet { scheme: Inet { is_udp: true, family }, host, port } => {
            resolve(host, *port, *family).and_then(|addresses| {
                let (state, builder) = datagram::<Udp>(SocketKind::Udp, settings)?;
                let builder =
                    builder.ipv6_only(*family == Family::V6).allow_reuse_port(options.reuse_port);
                Ok(ready(&state, scheme, builder.bind(&*addresses)?))
            })
        }
        Place::Unix { scheme: Unix::Stream, name } => bind_unix(name, *options, settings),
        Place::Unix { scheme: Unix::Datagram, name } => bind_unixgram(name, *options, settings),
        Place::Descriptor(number) => {
            inherited(*number).and_then(|fd| of_descriptor(fd, *options, settings))
        }
    };
    bound.map_err(|error| Fatal::of(endpoint, &error))
}

fn bind_unix(name: &Name, options: Options, settings: &Settings) -> io::Result<Arc<dyn Serve>> {
    let (state, mut builder) = stream::<UnixStream>(SocketKind::UnixStream, settings)?;
    builder = builder.request_queue_size(backlog(options, settings));
    if let Some(mode) = options.mode {
        builder = builder.mode(mode);
    }
    if let Some(owner) = options.owner {
        builder = builder.owner(owner.uid, owner.gid);
    }
    Ok(ready(&state, "unix", builder.bind(name.to_path())?))
}

fn bind_unixgram(name: &Name, options: Options, settings: &Settings) -> io::Result<Arc<dyn Serve>> {
    let (state, mut builder) = datagram::<UnixDatagram>(SocketKind::UnixDatagram, settings)?;
    if let Some(mode) = options.mode {
        builder = builder.mode(mode);
    }
    if let Some(owner) = options.owner {
        builder = builder.owner(owner.uid, owner.gid);
    }
    Ok(ready(&state, "unixgram", builder.bind(name.to_path())?))
}

/// Makes a server of a socket that this process was started with.
fn of_descriptor(fd: OwnedFd, options: Options, settings: &Settings) -> io::Result<Arc<dyn Serve>> {
    let kind = kind(fd.as_fd()).map_err(|error| invalid(format!("it is no socket: {error}")))?;
    if SockRef::from(&fd).peer_addr().is_ok() {
        return Err(invalid("it is a connection, not a socket that takes them".to_owned()));
    }
    let backlog = backlog(options, settings);
    Ok(match kind {
        SocketKind::Tcp => {
            let (state, builder) = stream::<Tcp>(kind, settings)?;
            let server = builder.request_queue_size(backlog).from_socket(TcpListener::from(fd))?;
            ready(&state, "tcp", server)
        }
        SocketKind::UnixStream => {
            let (state, builder) = stream::<UnixStream>(kind, settings)?;
            let server = builder.request_queue_size(backlog).from_socket(UnixListener::from(fd))?;
            ready(&state, "unix", server)
        }
        _ if options.backlog.is_some() => {
            return Err(invalid("it is a datagram socket, for which backlog means nothing".into()));
        }
        SocketKind::Udp => {
            let (state, builder) = datagram::<Udp>(kind, settings)?;
            ready(&state, "udp", builder.from_socket(UdpSocket::from(fd))?)
        }
        SocketKind::UnixDatagram => {
            let (state, builder) = datagram::<UnixDatagram>(kind, settings)?;
            ready(&state, "unixgram", builder.from_socket(UnixDatagramSocket::from(fd))?)
        }
        other => return Err(invalid(format!("there is no server for a {other:?} socket"))),
    })
}

/// Takes over a descriptor that this process was started with.
///
/// # Errors
///
/// That there is none under this number.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    take(number).map_err(|error| match error.raw_os_error() {
        Some(EBADF) => invalid("no descriptor is open under this number".to_owned()),
        _ => error,
    })
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn backlog(options: Options, settings: &Settings) -> i32 {
    let default = Tcp::default().request_queue_size;
    options.backlog.or(settings.backlog).unwrap_or(default)
}

/// The addresses that `host` stands for, of the family asked for.
fn resolve(host: &str, port: u16, family: Family) -> io::Result<Vec<SocketAddr>> {
    // An IPv6 address with a scope is understood only with brackets and a port.
    let addresses: Vec<_> = if host.contains(':') {
        format!("[{host}]:{port}").to_socket_addrs()?.collect()
    } else {
        let resolved = (host, port).to_socket_addrs();
        // A host is not found as a file is not: it may well be found tomorrow.
        resolved.map_err(|error| io::Error::other(error.to_string()))?.collect()
    };
    let is_of_family = |address: &SocketAddr| match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    let addresses: Vec<_> = addresses.into_iter().filter(is_of_family).collect();
    if addresses.is_empty() {
        let version = if family == Family::V4 { "IPv4" } else { "IPv6" };
        return Err(invalid(format!("{host} has no {version} address")));
    }
    Ok(addresses)
}

fn stream<T>(kind: SocketKind, settings: &Settings) -> io::Result<(Arc<State>, StreamServer<T>)>
where
    T: Transport<Kind = Stream> + Default,
    AnyMixIn: socketserver::mixin::MixIn<Pending<T, State>>,
{
    let builder = Server::<T, AnyMixIn, StreamHandler>::builder(|| StreamHandler);
    configure(builder, kind, settings)
}

fn datagram<T>(kind: SocketKind, settings: &Settings) -> io::Result<(Arc<State>, DatagramServer<T>)>
where
    T: Transport<Kind = Datagram> + Default,
{
    let builder = Server::<T, AnyMixIn, DatagramHandler>::builder(|| DatagramHandler);
    configure(builder, kind, settings)
}

#[allow(clippy::type_complexity, reason = "a builder and its state, once")]
fn configure<T: Transport, H>(
    builder: Builder<T, AnyMixIn, H>,
    kind: SocketKind,
    settings: &Settings,
) -> io::Result<(Arc<State>, Builder<T, AnyMixIn, H, State>)> {
    let state = Arc::new(State::new(kind, Arc::clone(&settings.service), settings.log)?);
    let observed = Arc::clone(&state);
    let builder = builder
        .mixin(mixin(settings))
        .shared_server(Arc::clone(&state))
        // There is nothing to do now and then, so an idle server sleeps.
        .poll_interval(None)
        .observer(move |event: &socketserver::observe::Event<'_>| observed.observe(event));
    Ok((state, builder))
}

/// How many coroutines there may be of which each waits for a program: as many as threads, for it
/// is the programs that are dear.
const MAX_PROGRAMS: usize = 1024;

fn mixin(settings: &Settings) -> AnyMixIn {
    let max = settings.max;
    match settings.mixin {
        MixIn::Synchronous => Synchronous::default().into(),
        MixIn::Threading => {
            let mut threading = Threading::default();
            threading.max_threads = max.unwrap_or(threading.max_threads);
            threading.into()
        }
        MixIn::Forking => {
            let mut forking = Forking::default();
            forking.max_children = max.unwrap_or(forking.max_children);
            forking.into()
        }
        MixIn::Coroutine => {
            let mut coroutine = Coroutine::default();
            let default = match *settings.service {
                Service::Protocol { .. } => coroutine.max_coroutines,
                Service::Program(_) => MAX_PROGRAMS,
            };
            coroutine.max_coroutines = max.unwrap_or(default);
            coroutine.workers = settings.workers.unwrap_or(coroutine.workers);
            coroutine.stack_size = settings.coroutines.stack_size;
            coroutine.backend = settings.coroutines.backend;
            coroutine.into()
        }
    }
}

/// Tells the state where its server has come to be.
fn ready<T, H>(state: &State, scheme: &str, server: Server<T, AnyMixIn, H, State>) -> Arc<dyn Serve>
where
    T: Transport,
    Server<T, AnyMixIn, H, State>: Serve + 'static,
{
    let address = server.server_address().clone();
    state.set_bound(located(scheme, &address), address);
    Arc::new(server)
}
