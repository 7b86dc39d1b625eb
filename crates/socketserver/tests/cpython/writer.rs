//! `wfile` as it is by default.

use std::io::{BufRead, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal::SIGUSR1;
use socketserver::handler::Wfile;
use socketserver::{BaseServer, Result, StreamRequest, TcpServer, handler_fn};
use testkit::{Connect, DEADLINE, alone, eventually};

/// What the handler has seen.
#[derive(Default)]
struct Seen {
    numbers: Mutex<Option<(i32, i32)>>,
    sent: Mutex<Vec<usize>>,
    received: Mutex<String>,
}

impl BaseServer for Seen {}

/// Original: `wfile` is a writer of the buffered kind, and its descriptor is the connection's. Here
/// it is what every `Write` is: it takes any bytes and is flushed. A84.
#[test]
fn test_basics() {
    fn is_writer<W: Write + AsFd>(_: &W) {}

    let _alone = alone();
    let handle = |request: &mut StreamRequest<'_, Seen>| -> Result {
        let wfile: &Wfile = &request.wfile;
        is_writer(wfile);
        let numbers = (wfile.as_fd().as_raw_fd(), request.connection().as_fd().as_raw_fd());
        *request.server.numbers.lock().unwrap() = Some(numbers);
        Ok(())
    };
    let server = TcpServer::builder(handler_fn(handle)).server(Seen::default()).timeout(DEADLINE);
    let server = server.bind("127.0.0.1:0").unwrap();
    drop(Connect::Tcp(server.server_address().as_inet().unwrap()).connect().unwrap());
    server.handle_request().unwrap();
    let (wfile, connection) = server.server().numbers.lock().unwrap().unwrap();
    assert_eq!(wfile, connection);
}

/// More than the kernel holds for a client that does not read.
const BIG: usize = 16 << 20;

/// Original: a write goes out at once, without a flush, and returns how many bytes it was; a big
/// one is whole though a signal interrupts it. A84, A85, B45.
#[test]
fn test_write() {
    let _alone = alone();
    let handle = |request: &mut StreamRequest<'_, Seen>| -> Result {
        let StreamRequest { rfile, wfile, server, .. } = request;
        let first = wfile.write(b"write data\n")?;
        rfile.read_line(&mut server.received.lock().unwrap())?;
        let second = wfile.write(&vec![0; BIG])?;
        server.sent.lock().unwrap().extend([first, second]);
        Ok(())
    };
    let server = TcpServer::builder(handler_fn(handle)).server(Seen::default()).timeout(DEADLINE);
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = Connect::Tcp(server.server_address().as_inet().unwrap());

    let interrupted = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(SIGUSR1 as i32, Arc::clone(&interrupted)).unwrap();
    let handling = pthread_self();
    let client = thread::spawn(move || {
        let mut client = address.connect().unwrap();
        assert_eq!(client.read_line().unwrap(), "write data\n", "without a flush");
        client.send("client response\n").unwrap();
        client.read_exactly(100).unwrap();
        // The handler sends, and waits for us to read.
        eventually("a signal in the middle of a write", || {
            pthread_kill(handling, SIGUSR1).unwrap();
            interrupted.load(Ordering::Relaxed)
        });
        client.read_to_end().unwrap().len()
    });
    server.handle_request().unwrap();
    assert_eq!(client.join().unwrap(), BIG - 100);
    signal_hook::low_level::unregister(registered);
    assert_eq!(*server.server().sent.lock().unwrap(), ["write data\n".len(), BIG]);
    assert_eq!(*server.server().received.lock().unwrap(), "client response\n");
}
