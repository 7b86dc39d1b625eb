use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Server;
use super::core::Core;
use super::live::Live;
use super::pending::Pending;
use crate::address::Address;
use crate::control::{Control, ShutdownHandle};
use crate::handler::{Context, RequestHandler};
use crate::hooks::{BaseServer, Run};
use crate::mixin::MixIn;
use crate::observe::{Event, Observer};
use crate::transport::{Kind, ServerBind, Tombstone, Transport};

/// How often a server with hooks of its own calls `service_actions` when nothing happens.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Settings of a server to be; made by [`Server::builder`].
///
/// The setters are named after Python's class variables, and are there only where they mean
/// something: `request_queue_size` is none of a UDP server's.
#[must_use = "nothing is bound before `bind`"]
pub struct Builder<T, M, H, S = ()> {
    pub(super) transport: T,
    pub(super) mixin: M,
    settings: Settings,
    handler: Box<dyn Fn() -> H + Send + Sync>,
    server: Arc<S>,
}

/// What does not depend on the types.
struct Settings {
    timeout: Option<Duration>,
    /// `None` until it is set.
    poll_interval: Option<Option<Duration>>,
    has_hooks: bool,
    observer: Option<Arc<dyn Observer>>,
}

impl<T, M, H> Builder<T, M, H> {
    pub(super) fn new(transport: T, mixin: M, handler: Box<dyn Fn() -> H + Send + Sync>) -> Self {
        let settings =
            Settings { timeout: None, poll_interval: None, has_hooks: false, observer: None };
        Self { transport, mixin, settings, handler, server: Arc::new(()) }
    }
}

impl<T, M, H, S> Builder<T, M, H, S> {
    /// Gives the server state and overridden hooks: Python's subclass.
    pub fn server<S2>(self, server: S2) -> Builder<T, M, H, S2> {
        self.shared_server(Arc::new(server))
    }

    /// Gives the server state and overridden hooks that another server has too.
    pub fn shared_server<S2>(self, server: Arc<S2>) -> Builder<T, M, H, S2> {
        let settings = Settings { has_hooks: true, ..self.settings };
        let Self { transport, mixin, handler, .. } = self;
        Builder { transport, mixin, settings, handler, server }
    }

    /// Replaces the mix-in.
    pub fn mixin<M2>(self, mixin: M2) -> Builder<T, M2, H, S> {
        let Self { transport, settings, handler, server, .. } = self;
        Builder { transport, mixin, settings, handler, server }
    }

    /// Replaces the transport, by one that wraps it, say.
    pub fn transport<T2>(self, wrap: impl FnOnce(T) -> T2) -> Builder<T2, M, H, S> {
        let Self { transport, mixin, settings, handler, server } = self;
        Builder { transport: wrap(transport), mixin, settings, handler, server }
    }

    /// How long `handle_request` waits for a request; zero to look once. Without limit by
    /// default, as in Python.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// How often `serve_forever` calls `service_actions` when nothing happens; `None` for never.
    ///
    /// By default every half second, as in Python, if the server has been given
    /// [hooks](Self::server) of its own; else never, so that an idle server sleeps. A shutdown
    /// does not wait for it.
    pub fn poll_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.poll_interval = Some(interval.into());
        self
    }

    /// Tells `observer` of everything that the server does. Nobody by default.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observer = Some(Arc::new(observer));
        self
    }
}

impl<T, M, H, S> Builder<T, M, H, S>
where
    T: Transport,
{
    /// Makes the server: `server_bind` and `server_activate`.
    ///
    /// # Errors
    ///
    /// Says what could not be bound, and why; or `InvalidInput` for a setting that no server
    /// could run with. Nothing is left open.
    pub fn bind<A, Via>(self, address: A) -> io::Result<Server<T, M, H, S>>
    where
        T: ServerBind<A>,
        S: BaseServer<T>,
        M: MixIn<Pending<T, S>>,
        H: RequestHandler<T::Kind, S, Via> + 'static,
    {
        self.server_bind(address)?.server_activate()
    }

    /// Makes the server up to `server_bind`: its address is taken, and a client is refused.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn server_bind<A>(self, address: A) -> io::Result<BoundServer<T, M, H, S>>
    where
        T: ServerBind<A>,
    {
        self.settings.check()?;
        let socket = self.transport.server_bind(address)?;
        Ok(BoundServer { builder: self, socket })
    }

    /// Makes the server of a socket that was bound elsewhere: `server_activate` alone.
    ///
    /// The path of a Unix socket that was bound elsewhere is not removed on close.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not the kind of socket that the server needs; else as
    /// [`bind`](Self::bind).
    pub fn from_socket<Via>(self, socket: impl Into<T::Socket>) -> io::Result<Server<T, M, H, S>>
    where
        S: BaseServer<T>,
        M: MixIn<Pending<T, S>>,
        H: RequestHandler<T::Kind, S, Via> + 'static,
    {
        self.settings.check()?;
        BoundServer { builder: self, socket: socket.into() }.server_activate()
    }
}

/// A server whose address is taken and that does not listen yet; made by
/// [`Builder::server_bind`].
///
/// In Python it is one made with `bind_and_activate=False` on which `server_bind` was called.
/// Dropping it closes the socket.
#[must_use = "it does not listen before `server_activate`"]
pub struct BoundServer<T: Transport, M, H, S = ()> {
    builder: Builder<T, M, H, S>,
    socket: T::Socket,
}

impl<T: Transport, M, H, S> BoundServer<T, M, H, S> {
    /// The bound socket, to set options on, say.
    pub fn socket(&self) -> &T::Socket {
        &self.socket
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)` has them.
    pub fn server_address(&self) -> io::Result<Address> {
        self.builder.transport.server_address(&self.socket)
    }

    /// Makes the server ready: Python's `server_activate`.
    ///
    /// # Errors
    ///
    /// As [`Builder::bind`].
    pub fn server_activate<Via>(self) -> io::Result<Server<T, M, H, S>>
    where
        S: BaseServer<T>,
        M: MixIn<Pending<T, S>>,
        H: RequestHandler<T::Kind, S, Via> + 'static,
    {
        let Self { builder: Builder { transport, mixin, settings, handler, server }, socket } =
            self;
        mixin.server_activate()?;
        transport.server_activate(&socket)?;
        let run = move |request: Arc<<T::Kind as Kind>::Request>, context: Context<'_, S>| {
            handler().run(request, context)
        };
        let core = Core {
            server_address: transport.server_address(&socket)?,
            transport,
            socket,
            server,
            run: Box::new(run) as Box<Run<T::Kind, S>>,
            handler: std::any::type_name::<H>(),
            shutdown_handle: ShutdownHandle(Arc::new(Control::new()?)),
            live: Live::new(),
            observer: settings.observer,
            reserve: Mutex::new(Some(Tombstone::new()?)),
            is_reserve_lost: AtomicBool::new(false),
        };
        core.observe(&Event::Listening { server_address: &core.server_address });
        let default_interval = settings.has_hooks.then_some(POLL_INTERVAL);
        Ok(Server {
            core: Arc::new(core),
            mixin,
            timeout: settings.timeout,
            poll_interval: settings.poll_interval.unwrap_or(default_interval),
            accepting: Mutex::default(),
            handler: PhantomData,
        })
    }
}

impl<T: Transport, M, H, S> AsFd for BoundServer<T, M, H, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Settings {
    fn check(&self) -> io::Result<()> {
        match self.poll_interval {
            Some(Some(Duration::ZERO)) => {
                let text = "a poll_interval of zero would never let the server rest";
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
            _ => Ok(()),
        }
    }
}

impl<T: fmt::Debug, M: fmt::Debug, H, S> fmt::Debug for Builder<T, M, H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("transport", &self.transport)
            .field("mixin", &self.mixin)
            .field("timeout", &self.settings.timeout)
            .field("poll_interval", &self.settings.poll_interval)
            .finish_non_exhaustive()
    }
}

impl<T, M, H, S> fmt::Debug for BoundServer<T, M, H, S>
where
    T: Transport + fmt::Debug,
    M: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoundServer").field(&self.builder).finish()
    }
}
