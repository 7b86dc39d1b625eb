//! Datagrams that are taken off the socket together, and replies that are sent together.

use std::io::Write;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use socketserver::mixin::Coroutine;
use socketserver::{Builder, CoroutineUdpServer, DatagramRequest, HandlerFn, Outcome, Result};
use testkit::{DEADLINE, alone, datagram_client};

use crate::noting::{Noting, stop};

type Request<'a> = DatagramRequest<'a, Noting>;

/// One thread, so that what comes in order is handled in order.
fn one_worker<T, H, S>(builder: Builder<T, Coroutine, H, S>) -> Builder<T, Coroutine, H, S> {
    let mut mixin = Coroutine::default();
    mixin.workers = 1;
    builder.mixin(mixin)
}

fn echo(request: &mut Request<'_>) -> Result {
    Ok(request.wfile.write_all(request.packet)?)
}

/// The next datagram as a number.
#[track_caller]
fn number(client: &UdpSocket) -> usize {
    let mut buffer = [0; 64];
    let len = client.recv(&mut buffer).unwrap();
    std::str::from_utf8(&buffer[..len]).unwrap().parse().unwrap()
}

#[test]
fn a_burst_is_answered_whole_and_in_order() {
    let _alone = alone();
    let builder = one_worker(CoroutineUdpServer::builder(|| HandlerFn::new(echo)));
    let server = builder.server(Noting::default()).bind("127.0.0.1:0").unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    // They wait when the loop begins, so it takes them together.
    for sent in 100..200 {
        client.send(sent.to_string().as_bytes()).unwrap();
    }
    let server = server.spawn().unwrap();
    for sent in 100..200 {
        assert_eq!(number(&client), sent);
    }
    assert!(server.socket().reads_ahead());
    let trace = Arc::clone(&server.server().trace);
    stop(server);
    assert!(trace.texts().is_empty(), "{:?}", trace.texts());
}

#[test]
fn a_burst_of_many_peers_is_answered_to_each() {
    let _alone = alone();
    let builder = CoroutineUdpServer::builder(|| HandlerFn::new(echo)).server(Noting::default());
    let server = builder.bind("127.0.0.1:0").unwrap();
    let address = server.server_address().as_inet().unwrap();
    let clients: Vec<_> = (0..20).map(|_| datagram_client(address).unwrap()).collect();
    for round in 0..5 {
        for (at, client) in clients.iter().enumerate() {
            client.send((round * 100 + at).to_string().as_bytes()).unwrap();
        }
    }
    let server = server.spawn().unwrap();
    for (at, client) in clients.iter().enumerate() {
        // On several threads, one may overtake another.
        let mut got: Vec<_> = (0..5).map(|_| number(client)).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 100, 200, 300, 400].map(|round| round + at));
    }
    stop(server);
}

/// A42: what was taken off the socket waits for the next loop, as what is still in the kernel's
/// queue does.
#[test]
fn what_was_read_ahead_when_a_loop_ends_is_served_by_the_next() {
    let _alone = alone();
    let served = Arc::new(AtomicUsize::new(0));
    let has_ended = Arc::new(AtomicBool::new(false));
    let (count, ended) = (Arc::clone(&served), Arc::clone(&has_ended));
    // The third stops the loop that runs, and blocks the only thread until it has ended.
    let stops = move |request: &mut Request<'_>| -> Result {
        if count.fetch_add(1, Ordering::SeqCst) == 2 {
            request.shutdown_handle.request_shutdown();
            testkit::eventually("the loop's end", || ended.load(Ordering::SeqCst));
        }
        echo(request)
    };
    let builder = one_worker(CoroutineUdpServer::builder(move || HandlerFn::new(stops.clone())));
    let server = builder.server(Noting::default()).bind("127.0.0.1:0").unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    const SENT: usize = 100;
    for sent in 0..SENT {
        client.send(sent.to_string().as_bytes()).unwrap();
    }
    server.serve_forever().unwrap();
    has_ended.store(true, Ordering::SeqCst);
    // Those that were given to their handlers with the third.
    testkit::eventually("the end of its requests", || server.active_requests() == 0);
    let first = served.load(Ordering::SeqCst);
    assert!((3..SENT).contains(&first), "the first loop served {first}");
    // Now one by one, and nobody waits for a socket that has nothing more to say.
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    let set = server.poll_set();
    assert!(set.timeout.is_some_and(|timeout| timeout.is_zero()), "{set:?}");
    let server = server.spawn().unwrap();
    let mut got: Vec<_> = (0..SENT).map(|_| number(&client)).collect();
    got.sort_unstable();
    assert_eq!(got, (0..SENT).collect::<Vec<_>>());
    assert_eq!(served.load(Ordering::SeqCst), SENT);
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}

/// A reply is never held back while its handler, or another, waits.
#[test]
fn a_reply_goes_out_while_handlers_of_the_same_batch_wait() {
    let _alone = alone();
    let gate = Arc::new(testkit::Gate::new());
    let held = Arc::clone(&gate);
    let waits = move |request: &mut Request<'_>| -> Result {
        if request.packet == b"1" {
            request.send_to(b"10", request.client_address)?;
            held.pass();
        }
        echo(request)
    };
    let builder = one_worker(CoroutineUdpServer::builder(move || HandlerFn::new(waits.clone())));
    let server = builder.server(Noting::default()).bind("127.0.0.1:0").unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    for sent in ["1", "2", "3"] {
        client.send(sent.as_bytes()).unwrap();
    }
    let server = server.spawn().unwrap();
    assert_eq!([number(&client), number(&client), number(&client)], [10, 2, 3]);
    gate.open();
    assert_eq!(number(&client), 1);
    stop(server);
}

/// It had been gathered, so its handler has ended well; the observer hears of it.
#[test]
fn a_reply_that_cannot_be_sent_is_told_to_the_observer() {
    use socketserver::Address;
    use socketserver::observe::Event;
    let _alone = alone();
    let strays = |request: &mut Request<'_>| -> Result {
        let nowhere: std::net::SocketAddr = "[::1]:9".parse()?;
        request.send_to(b"lost", &Address::from(nowhere))?;
        echo(request)
    };
    let noting = Noting::default();
    let trace = Arc::clone(&noting.trace);
    let observer = move |event: &Event<'_>| {
        if let Event::NotSent { client_address, error, .. } = event {
            trace.note(format!("{client_address}: {:?}", error.raw_os_error()));
        }
    };
    let builder = one_worker(CoroutineUdpServer::builder(move || HandlerFn::new(strays)));
    let builder = builder.server(noting.clone()).observer(observer);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
    client.send(b"1").unwrap();
    assert_eq!(number(&client), 1);
    // EAFNOSUPPORT
    noting.trace.wait_for("[::1]:9: Some(97)");
    stop(server);
}
