//! What the tests of several transports and mix-ins share: each transport and each mix-in as
//! something that a generic test can be written for, a handler that does as its client asks, and
//! [`matrix!`], which makes one test of each combination.

#![allow(dead_code, unused_imports, unused_macros, reason = "no test binary uses all of it")]

mod caller;
mod coroutines;
mod place;
mod script;
mod traced;

use std::fmt;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use socketserver::handler::{RequestHandler, ViaDatagram, ViaStream};
use socketserver::mixin::{Forking, MixIn, Synchronous, Threading};
use socketserver::transport::{ServerBind, Tcp, Transport, Udp, UnixDatagram, UnixStream};
use socketserver::{
    Address, Background, BaseServer, Builder, DrainReport, Pending, Server, ShutdownHandle,
};
use testkit::DEADLINE;

pub(crate) use self::caller::Caller;
pub(crate) use self::coroutines::{
    CoroutineEpoll, CoroutineIoUring, EpollTcpServer, EpollUdpServer, EpollUnixStreamServer,
    IoUringTcpServer, IoUringUdpServer, IoUringUnixStreamServer,
};
pub(crate) use self::place::Place;
pub(crate) use self::script::{Hooks, Script};
pub(crate) use self::traced::Traced;

/// A transport under test.
pub(crate) trait Wire:
    Transport<Request: Send + Sync, Socket: Send + Sync>
    + for<'a> ServerBind<&'a Place>
    + Default
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// By which of its traits [`Script`] handles this transport's requests.
    type Via: 'static;
    /// Always [`Script`]; here so that a generic test need not say that it is a handler.
    type Handler: RequestHandler<Self::Kind, Hooks, Self::Via> + From<Script> + 'static;

    /// Whether its requests are connections, whose client sees them end.
    const IS_STREAM: bool;

    /// A new client.
    fn connect(server: &Address) -> io::Result<Caller>;

    /// The hooks of a server under test.
    fn hooks(&self) -> Hooks {
        Hooks::default()
    }
}

macro_rules! wire {
    ($($transport:ident $via:ident $is_stream:literal $connect:ident;)+) => {
        $(impl Wire for $transport {
            type Via = $via;
            type Handler = Script;
            const IS_STREAM: bool = $is_stream;

            fn connect(server: &Address) -> io::Result<Caller> {
                Caller::$connect(server)
            }
        })+
    };
}

wire! {
    Tcp ViaStream true tcp;
    Udp ViaDatagram false udp;
    UnixStream ViaStream true unix_stream;
    UnixDatagram ViaDatagram false unix_datagram;
}

/// A mix-in under test, on servers over `T` with state `S`.
pub(crate) trait Mix<T: Transport, S: BaseServer<T> = Hooks>:
    MixIn<Pending<T, S>> + Default + fmt::Debug + Send + Sync + 'static
{
    /// Whether requests run while the server takes others.
    const IS_CONCURRENT: bool;
    /// Whether requests run in processes of their own.
    const FORKS: bool;

    /// One with which tests can work.
    fn mixin() -> Self {
        Self::default()
    }
}

impl<T: Transport, S: BaseServer<T>> Mix<T, S> for Synchronous
where
    Self: MixIn<Pending<T, S>>,
{
    const IS_CONCURRENT: bool = false;
    const FORKS: bool = false;
}

impl<T: Transport, S: BaseServer<T>> Mix<T, S> for Threading
where
    Self: MixIn<Pending<T, S>>,
{
    const IS_CONCURRENT: bool = true;
    const FORKS: bool = false;
}

impl<T: Transport, S: BaseServer<T>> Mix<T, S> for Forking
where
    Self: MixIn<Pending<T, S>>,
{
    const IS_CONCURRENT: bool = true;
    const FORKS: bool = true;

    fn mixin() -> Self {
        forking()
    }
}

/// A [`Forking`] that forks although the test harness has threads: they wait for the test.
pub(crate) fn forking() -> Forking {
    let mut forking = Forking::default();
    forking.allow_threads = true;
    forking
}

/// A server of [`Script`] to be.
pub(crate) fn builder<T: Wire, M: Mix<T>>() -> Builder<T, M, T::Handler, Hooks> {
    let transport = T::default();
    let hooks = transport.hooks();
    Server::<T, M, T::Handler>::builder(|| Script::default().into())
        .transport(|_| transport)
        .mixin(M::mixin())
        .server(hooks)
}

/// A server of [`Script`], bound to a place of its own, with `set` for its settings.
pub(crate) fn bound<T: Wire, M: Mix<T>>(
    set: impl FnOnce(Builder<T, M, T::Handler, Hooks>) -> Builder<T, M, T::Handler, Hooks>,
) -> Bound<T, M> {
    let place = Place::new();
    let server = set(builder()).bind(&place).expect("it can be bound");
    Bound { server, place }
}

/// A server of [`Script`] that serves in the background.
pub(crate) fn serve<T: Wire, M: Mix<T>>() -> Served<T, M> {
    bound(|builder| builder).spawn()
}

/// A server, and the place that it is bound to.
#[derive(Debug)]
pub(crate) struct Bound<T: Wire, M: Mix<T>> {
    pub(crate) server: Server<T, M, T::Handler, Hooks>,
    /// After the server, so that it is dropped after it.
    pub(crate) place: Place,
}

impl<T: Wire, M: Mix<T>> Bound<T, M> {
    /// Serves in the background.
    pub(crate) fn spawn(self) -> Served<T, M> {
        let Self { server, place } = self;
        let server = server.spawn().expect("it can be spawned");
        Served { server, place }
    }

    /// A new client of the server.
    #[track_caller]
    pub(crate) fn connect(&self) -> Caller {
        T::connect(self.server.server_address()).expect("the server takes clients")
    }

    /// A new client of the server, which has sent `text`.
    #[track_caller]
    pub(crate) fn send(&self, text: &str) -> Caller {
        let mut client = self.connect();
        client.send(text).expect("the server takes requests");
        client
    }

    /// Serves on another thread while `code` runs, then stops; returns what the loop returned.
    pub(crate) fn while_serving(&self, code: impl FnOnce()) -> io::Result<()> {
        std::thread::scope(|scope| {
            // Dropped when `code` fails, so that the scope ends.
            let stop = StopOnDrop(self.shutdown_handle());
            let serving = scope.spawn(|| self.server.serve_forever());
            code();
            drop(stop);
            serving.join().expect("the loop does not panic")
        })
    }

    /// Closes the server, which has nothing to cut, and leaves nothing.
    #[track_caller]
    pub(crate) fn close(self) {
        assert!(self.server.server_close(Some(DEADLINE)), "something was cut");
        assert_eq!(self.place.left(), [""; 0], "the server's path is left");
    }
}

/// Stops a server even when a test fails.
struct StopOnDrop(ShutdownHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.request_shutdown();
    }
}

impl<T: Wire, M: Mix<T>> Deref for Bound<T, M> {
    type Target = Server<T, M, T::Handler, Hooks>;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

/// A server that serves in the background, and the place that it is bound to.
#[derive(Debug)]
pub(crate) struct Served<T: Wire, M: Mix<T>> {
    pub(crate) server: Background<T, M, T::Handler, Hooks>,
    /// After the server, so that it is dropped after it.
    pub(crate) place: Place,
}

impl<T: Wire, M: Mix<T>> Served<T, M> {
    /// A new client of the server.
    #[track_caller]
    pub(crate) fn connect(&self) -> Caller {
        T::connect(self.server.server_address()).expect("the server takes clients")
    }

    /// What a new client is answered; empty if its connection is ended without an answer.
    #[track_caller]
    pub(crate) fn ask(&self, text: &str) -> String {
        self.connect().ask(text).expect("the server answers")
    }

    /// A new client that has asked to be held, and is: its handler waits at the gate.
    #[track_caller]
    pub(crate) fn hold(&self) -> Caller {
        let held = self.server().trace.count("held");
        let mut client = self.connect();
        client.send("hold").expect("the server takes requests");
        self.server().trace.wait_for_several(held + 1, "held");
        client
    }

    /// Stops the server, waiting for its requests.
    #[track_caller]
    pub(crate) fn stop(self) -> DrainReport {
        self.stop_within(DEADLINE)
    }

    /// Stops the server, cutting its requests after `deadline`.
    #[track_caller]
    pub(crate) fn stop_within(self, deadline: Duration) -> DrainReport {
        let Self { server, place } = self;
        let report = server.stop(Some(deadline)).expect("the loop ends without an error");
        assert_eq!(place.left(), [""; 0], "the server's path is left");
        report
    }
}

impl<T: Wire, M: Mix<T>> Deref for Served<T, M> {
    type Target = Server<T, M, T::Handler, Hooks>;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

/// Makes a `#[test]` of each generic test for each transport with each mix-in:
/// `common::matrix!(serving::one)` makes `tcp::synchronous::one`, which calls
/// `crate::serving::one::<Tcp, Synchronous>()`, and nineteen more.
macro_rules! matrix {
    ($($module:ident::$test:ident),+ $(,)?) => {
        $crate::common::matrix!(@transport tcp Tcp [$($module::$test)+]);
        $crate::common::matrix!(@transport udp Udp [$($module::$test)+]);
        $crate::common::matrix!(@transport unix_stream UnixStream [$($module::$test)+]);
        $crate::common::matrix!(@transport unix_datagram UnixDatagram [$($module::$test)+]);
    };
    (@transport $name:ident $transport:ident $tests:tt) => {
        mod $name {
            use socketserver::mixin::{Forking, Synchronous, Threading};

            use crate::common::{CoroutineEpoll, CoroutineIoUring};

            $crate::common::matrix!(@mixin synchronous $transport Synchronous $tests);
            $crate::common::matrix!(@mixin threading $transport Threading $tests);
            $crate::common::matrix!(@mixin forking $transport Forking $tests);
            $crate::common::matrix!(@mixin coroutine_epoll $transport CoroutineEpoll $tests);
            $crate::common::matrix!(@mixin coroutine_io_uring $transport CoroutineIoUring $tests);
        }
    };
    (@mixin $name:ident $transport:ident $mixin:ident [$($module:ident::$test:ident)+]) => {
        mod $name {
            use super::$mixin as MixIn;
            use socketserver::transport::$transport as Transport;

            $(#[test]
            fn $test() {
                let _alone = testkit::alone();
                crate::$module::$test::<Transport, MixIn>();
            })+
        }
    };
}

pub(crate) use matrix;
