//! Coroutines under `handle_request` and a loop of the caller's own, and under a wrapped mix-in.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use socketserver::mixin::{self, Backend, Coroutine, MixIn, PendingRequest, Unprocessed};
use socketserver::transport::{Tcp, Udp};
use socketserver::{Outcome, StreamRequest, TcpServer, handler_fn};
use testkit::DEADLINE;

use crate::common::{Mix, Wire, bound};
use crate::noting::{connect, stop};
use crate::on_each_backend;

fn serves_in_the_callers_loop<T: Wire>(backend: Backend)
where
    Coroutine: Mix<T>,
{
    let server = bound::<T, Coroutine>(|builder| builder.backend(backend).workers(2));
    assert_eq!(server.handle_request_noblock(), Outcome::Nothing);
    let mut held = server.send("hold");
    let mut other = server.send("echo meanwhile");
    let mut processed = 0;
    while processed < 2 {
        let set = server.poll_set();
        let fds = set.descriptors.iter().flatten();
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        poll(&mut fds, Some(&DEADLINE.try_into().unwrap())).unwrap();
        processed += usize::from(server.handle_request_noblock() == Outcome::Processed);
    }
    assert_eq!(other.reply().unwrap(), "meanwhile");
    server.server().gate.open();
    assert_eq!(held.reply().unwrap(), "released");
    server.close();
}

/// Counts the requests that it is given.
struct Counted {
    inner: Coroutine,
    requests: AtomicUsize,
}

impl mixin::Wrap for Counted {
    type Inner = Coroutine;

    fn inner(&self) -> &Coroutine {
        &self.inner
    }

    fn process_request<P>(&self, request: P) -> Result<(), Unprocessed<P>>
    where
        P: PendingRequest,
        Coroutine: MixIn<P>,
    {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.inner.process_request(request)
    }
}

on_each_backend! {
    /// A19, A35: they take turns although the loop is the caller's.
    fn a_loop_of_the_callers_own_serves_on_coroutines(backend: Backend) {
        serves_in_the_callers_loop::<Tcp>(backend);
        serves_in_the_callers_loop::<Udp>(backend);
    }

    /// A93: what a wrapper overrides is called for every request.
    fn a_wrapped_mixin_is_given_every_request(backend: Backend) {
        let greet = handler_fn(|request: &mut StreamRequest<'_>| {
            assert!(socketserver::in_coroutine());
            Ok(std::io::Write::write_all(&mut request.wfile, b"hello")?)
        });
        let mut inner = Coroutine::default();
        inner.backend = backend;
        let server = TcpServer::builder(greet)
            .mixin(Counted { inner, requests: AtomicUsize::new(0) })
            .bind("127.0.0.1:0")
            .unwrap()
            .spawn()
            .unwrap();
        for _ in 0..10 {
            assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
        }
        assert_eq!(server.mixin().requests.load(Ordering::SeqCst), 10);
        stop(server);
    }
}
