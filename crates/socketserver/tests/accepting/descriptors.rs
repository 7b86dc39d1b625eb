//! Many clients and few descriptors, in a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver::observe::{AcceptAction, Event};
use socketserver::{StreamRequest, ThreadingTcpServer, handler_fn};
use testkit::{DEADLINE, Process};

/// What the process may have, and how many clients come at it.
const DESCRIPTORS: u64 = 64;
const CLIENTS: usize = 10_000;

/// So many clients are there at a time, besides those that are served.
const BATCH: usize = 200;

/// Serves until it gets a signal, and then tells how it went.
fn serve() {
    testkit::limit_descriptors(DESCRIPTORS);
    let [sheds, rests] = [(), ()].map(|()| Arc::new(AtomicUsize::new(0)));
    let (shed, rested) = (Arc::clone(&sheds), Arc::clone(&rests));
    let observer = move |event: &Event<'_>| {
        let Event::AcceptError { action, untold, .. } = event else { return };
        let count = match action {
            AcceptAction::Shed => &shed,
            _ => &rested,
        };
        count.fetch_add(1 + usize::try_from(*untold).unwrap(), Ordering::SeqCst);
    };
    let stay = handler_fn(|request: &mut StreamRequest<'_>| {
        request.wfile.write_all(b"in")?;
        request.rfile.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    let server = ThreadingTcpServer::builder(stay).observer(observer).bind("127.0.0.1:0").unwrap();
    let guard = server.shutdown_handle().on_signals().unwrap();
    say(&format!("serving at {}", server.server_address()));
    let before = testkit::cpu_time();
    server.serve_forever().unwrap();
    let worked = (testkit::cpu_time() - before).as_millis();
    let [sheds, rests] = [sheds, rests].map(|count| count.load(Ordering::SeqCst));
    say(&format!("told of {} errors, {rests} of them not shed, in {worked} ms", sheds + rests));
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
    let _alone = testkit::alone();
    if testkit::role().is_some() {
        serve();
        return;
    }
    let name = "descriptors::ten_thousand_clients_come_at_64_descriptors";
    let mut process = Process::of_test(name, "serving");
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
    // Every error was one client's: none was told again and again.
    let errors = process.line_after("told of ");
    let (status, output) = process.wait();
    assert!(status.success(), "{output}");
    let errors: usize = errors.split_once(' ').unwrap().0.parse().unwrap();
    // Those that came after the held ones had gone, and before the server saw it, are a few more.
    assert!((1..=turned_away + 100).contains(&errors), "{errors} for {turned_away}: {output}");
}
