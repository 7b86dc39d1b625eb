//! Many clients and few descriptors, in a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketserver::mixin::{AnyMixIn, Coroutine, Threading};
use socketserver::observe::{AcceptAction, Event};
use socketserver::{StreamRequest, TcpServer, handler_fn};
use testkit::{DEADLINE, Process};

use crate::scripted::Scripted;

/// What the process may have, and how many clients come at it.
const DESCRIPTORS: u64 = 64;
const CLIENTS: usize = 10_000;

/// So many clients are there at a time, besides those that are served.
const BATCH: usize = 200;

/// Serves until it gets a signal, and then tells how it went.
fn serve(mixin: AnyMixIn) {
    let takes_turns = matches!(&mixin, AnyMixIn::Coroutine(coroutine) if coroutine.workers > 1);
    testkit::limit_descriptors(DESCRIPTORS);
    let rested = Arc::new(AtomicBool::new(false));
    let rests = Arc::clone(&rested);
    let observer = move |event: &Event<'_>| match event {
        Event::AcceptError { action: AcceptAction::Shed, .. } => {}
        Event::AcceptError { .. } => rests.store(true, Ordering::SeqCst),
        _ => {}
    };
    let stay = handler_fn(|request: &mut StreamRequest<'_>| {
        request.wfile.write_all(b"in")?;
        request.rfile.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    let server = TcpServer::builder(stay)
        .transport(|tcp| Scripted::new(tcp, &[]))
        .mixin(mixin)
        .observer(observer)
        .bind("127.0.0.1:0")
        .unwrap();
    let guard = server.shutdown_handle().on_signals().unwrap();
    say(&format!("serving at {}", server.server_address()));
    server.serve_forever().unwrap();
    // Of two who take requests, one may take the descriptor that the other gives up for a moment.
    assert!(takes_turns || !rested.load(Ordering::SeqCst), "everybody was turned away at once");
    say(&format!("took {}", server.transport().calls()));
    server.server_close(Some(Duration::ZERO));
    drop(guard);
}

fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").unwrap();
    stdout.flush().unwrap();
}

/// Clients that have come, those that were taken and how many were turned away.
fn come(address: SocketAddr, count: usize) -> (Vec<TcpStream>, usize) {
    let connect = |_| {
        let client = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client
    };
    let clients: Vec<_> = (0..count).map(connect).collect();
    let taken = |mut client: TcpStream| match client.read(&mut [0; 2]).unwrap() {
        0 => None,
        _ => Some(client),
    };
    let taken: Vec<_> = clients.into_iter().filter_map(taken).collect();
    let turned_away = count - taken.len();
    (taken, turned_away)
}

/// B5, B8: who cannot be served is turned away at once, and knows; the server neither spins nor
/// falls silent, and serves again when it can.
#[test]
fn ten_thousand_clients_come_at_64_descriptors() {
    let name = "descriptors::ten_thousand_clients_come_at_64_descriptors";
    ten_thousand_come(name, "threading");
}

/// B5, B8: the same, on coroutines, of any number of workers and by both reactors.
#[test]
fn ten_thousand_clients_come_at_64_descriptors_of_coroutines() {
    let name = "descriptors::ten_thousand_clients_come_at_64_descriptors_of_coroutines";
    for role in ["epoll 1", "epoll 2", "io_uring 1", "io_uring 2"] {
        if testkit::role().is_none_or(|own| own == role) {
            ten_thousand_come(name, role);
        }
    }
}

fn ten_thousand_come(name: &str, role: &str) {
    let _alone = testkit::alone();
    if let Some(role) = testkit::role() {
        serve(match role.split_once(' ') {
            None => Threading::default().into(),
            Some((backend, workers)) => {
                let mut coroutine = Coroutine::default();
                coroutine.backend = backend.parse().unwrap();
                coroutine.workers = workers.parse().unwrap();
                coroutine.into()
            }
        });
        return;
    }
    let mut process = Process::of_test(name, role);
    let address: SocketAddr = process.line_after("serving at ").parse().unwrap();
    let (held, mut turned_away) = come(address, BATCH);
    assert!(held.len() > 32, "only {} were taken", held.len());
    for _ in 1..CLIENTS / BATCH {
        let (taken, others) = come(address, BATCH);
        assert_eq!(taken.len(), 0, "all descriptors are taken");
        turned_away += others;
    }
    assert_eq!(turned_away, CLIENTS - held.len());

    drop(held);
    testkit::eventually("a client that is served", || come(address, 1).0.len() == 1);
    process.signal(15);
    let calls: usize = process.line_after("took ").parse().unwrap();
    let (status, output) = process.wait();
    assert!(status.success(), "{output}");
    // For each client one call that fails and one on the reserve descriptor; and now and then one
    // that finds that another has come and gone. A loop that spins makes millions.
    // Coroutines take until there is nobody, which it takes the same two calls to find out; and of
    // two workers both may look.
    let most = if role == "threading" { 3 * CLIENTS } else { 8 * CLIENTS };
    assert!(calls <= most, "{calls} calls: {output}");
}
