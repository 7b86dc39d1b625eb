//! `max_coroutines`: who comes when so many run waits in the kernel's queue.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socketserver::mixin::{Backend, Coroutine};
use socketserver::transport::{Tcp, Udp, UnixStream};
use socketserver::{CoroutineTcpServer, Outcome, StreamRequest, handler_fn, sleep};

use crate::common::{Bound, Mix, Wire, bound};
use crate::noting::{connect, stop};
use crate::on_each_backend;

/// A server that runs two requests at a time, on two workers.
fn limited<T: Wire>(backend: Backend) -> Bound<T, Coroutine>
where
    Coroutine: Mix<T>,
{
    bound::<T, Coroutine>(|builder| {
        let often = Duration::from_millis(1);
        builder.backend(backend).workers(2).max_coroutines(2).poll_interval(often)
    })
}

fn a_full_server_takes_no_more<T: Wire>(backend: Backend)
where
    Coroutine: Mix<T>,
{
    let server = limited::<T>(backend).spawn();
    let mut held = [server.hold(), server.hold()];
    let mut third = server.connect();
    third.send("echo at last").unwrap();
    let passes = server.server().passes();
    testkit::eventually("the loop goes on", || server.server().passes() > passes + 3);
    assert_eq!(server.server().trace.count("verify_request"), 2, "the third waits");
    assert_eq!(server.mixin().coroutines(), 2);
    server.server().gate.open();
    for client in &mut held {
        assert_eq!(client.reply().unwrap(), "released");
    }
    assert_eq!(third.reply().unwrap(), "at last");
    assert!(server.stop().is_complete());
}

on_each_backend! {
    /// B8.
    fn at_the_limit_clients_wait_in_the_kernels_queue(backend: Backend) {
        a_full_server_takes_no_more::<Tcp>(backend);
        a_full_server_takes_no_more::<UnixStream>(backend);
        a_full_server_takes_no_more::<Udp>(backend);
    }

    /// B8: never more than so many, however many come at a time, and all are served in the end.
    fn the_limit_is_exact_whoever_takes_the_requests(backend: Backend) {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        MOST.store(0, Ordering::SeqCst);
        let count = |request: &mut StreamRequest<'_>| {
            let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(running, Ordering::SeqCst);
            sleep(Duration::from_millis(1));
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            Ok(request.wfile.write_all(b"done")?)
        };
        let builder = CoroutineTcpServer::builder(handler_fn(count)).max_coroutines(3).workers(2);
        let server = builder.backend(backend).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let reply = connect(server.server_address()).read_to_end().unwrap();
                    assert_eq!(reply, b"done");
                });
            }
        });
        assert_eq!(MOST.load(Ordering::SeqCst), 3);
        stop(server);
    }

    /// B8, B16: the limit holds up no shutdown, and who has waited is served by the next loop.
    fn a_full_server_is_shut_down_at_once(backend: Backend) {
        let server = limited::<UnixStream>(backend);
        let mut held = Vec::new();
        let mut third = None;
        let served = server.while_serving(|| {
            held.extend([server.send("hold"), server.send("hold")]);
            server.server().trace.wait_for_several(2, "held");
            third = Some(server.send("echo at last"));
            server.shutdown();
        });
        served.unwrap();
        server.server().gate.open();
        let served = server.while_serving(|| {
            assert_eq!(third.unwrap().reply().unwrap(), "at last");
        });
        served.unwrap();
        server.close();
    }

    /// B8: a caller's own turns are told.
    fn a_full_server_says_so(backend: Backend) {
        let server = limited::<Tcp>(backend);
        let mut held = [server.send("hold"), server.send("hold")];
        let mut third = server.send("echo at last");
        for _ in 0..2 {
            assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        }
        assert_eq!(server.handle_request_noblock(), Outcome::Full);
        server.server().gate.open();
        // It waits for room, and then takes the third.
        assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
        assert_eq!(third.reply().unwrap(), "at last");
        for client in &mut held {
            assert_eq!(client.reply().unwrap(), "released");
        }
        server.close();
    }
}
