//! The mix-in [`Coroutine`] on each of the kernel's two ways to wait, as a mix-in each.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use socketserver::mixin::{Backend, Coroutine, MixIn, PendingRequest, Unprocessed};
use socketserver::transport::{Tcp, Transport, Udp, UnixStream};
use socketserver::{Address, BaseServer, Pending, Server};

use super::{Hooks, Mix};

macro_rules! backend {
    ($name:ident $backend:ident) => {
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) Coroutine);

        impl Default for $name {
            fn default() -> Self {
                let mut coroutine = Coroutine::default();
                coroutine.backend = Backend::$backend;
                // Two even where there is one core, so that requests go from one to the other.
                coroutine.workers = 2;
                Self(coroutine)
            }
        }

        impl<T: Transport, S: BaseServer<T>> Mix<T, S> for $name
        where
            Self: MixIn<Pending<T, S>>,
        {
            const IS_CONCURRENT: bool = true;
            const FORKS: bool = false;
        }

        impl<P: PendingRequest> MixIn<P> for $name
        where
            Coroutine: MixIn<P>,
        {
            fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
                self.0.process_request(request)
            }

            fn server_activate(&self) -> io::Result<()> {
                MixIn::<P>::server_activate(&self.0)
            }

            fn start_accepting(&self, acceptor: &P::Acceptor) -> io::Result<bool> {
                MixIn::<P>::start_accepting(&self.0, acceptor)
            }

            fn stop_accepting(&self) {
                MixIn::<P>::stop_accepting(&self.0);
            }

            fn has_room(&self) -> bool {
                MixIn::<P>::has_room(&self.0)
            }

            fn fileno(&self) -> Option<BorrowedFd<'_>> {
                MixIn::<P>::fileno(&self.0)
            }

            fn service_actions(&self) {
                MixIn::<P>::service_actions(&self.0);
            }

            fn handle_timeout(&self) {
                MixIn::<P>::handle_timeout(&self.0);
            }

            fn block_on_close(&self) -> bool {
                MixIn::<P>::block_on_close(&self.0)
            }

            fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
                MixIn::<P>::cut(&self.0, force)
            }

            fn server_close(&self) {
                MixIn::<P>::server_close(&self.0);
            }
        }
    };
}

impl<T: Transport, S: BaseServer<T>> Mix<T, S> for Coroutine
where
    Self: MixIn<Pending<T, S>>,
{
    const IS_CONCURRENT: bool = true;
    const FORKS: bool = false;
}

/// Servers that run each request on a coroutine, by epoll.
pub(crate) type EpollTcpServer<H, S = ()> = Server<Tcp, CoroutineEpoll, H, S>;
pub(crate) type EpollUdpServer<H, S = ()> = Server<Udp, CoroutineEpoll, H, S>;
pub(crate) type EpollUnixStreamServer<H, S = ()> = Server<UnixStream, CoroutineEpoll, H, S>;
/// And by io_uring.
pub(crate) type IoUringTcpServer<H, S = ()> = Server<Tcp, CoroutineIoUring, H, S>;
pub(crate) type IoUringUdpServer<H, S = ()> = Server<Udp, CoroutineIoUring, H, S>;
pub(crate) type IoUringUnixStreamServer<H, S = ()> = Server<UnixStream, CoroutineIoUring, H, S>;

backend!(CoroutineEpoll Epoll);
backend!(CoroutineIoUring IoUring);

/// With the state of the tests each of them is one, or the tests would not be made.
const _: fn() = || {
    fn is_mix<T: Transport, M: Mix<T, Hooks>>() {}
    is_mix::<Tcp, CoroutineEpoll>();
    is_mix::<Tcp, CoroutineIoUring>();
};
