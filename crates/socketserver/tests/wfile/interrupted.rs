//! Signals that come in the middle of a read or a write.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use signal_hook::consts::SIGUSR1;
use socketserver::{Result, StreamRequest, StreamRequestHandler, ThreadingTcpServer};
use testkit::{DEADLINE, alone, eventually};

use crate::noting::{Noting, connect, stop};

const LEN: usize = 8 * 1024 * 1024;
const SIGNALS: usize = 100;

/// Tells on which thread it is, reads a word, and answers with very much.
struct Answers {
    thread: Arc<Mutex<Option<Pthread>>>,
}

impl StreamRequestHandler<Noting> for Answers {
    fn handle(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        *self.thread.lock().unwrap() = Some(pthread_self());
        let word = request.rfile.read_exactly(4)?;
        request.server.trace.note("read");
        request.wfile.write_all(&word.repeat(LEN / 4))?;
        // Until the client has it all, so that the thread is there for all the signals.
        request.rfile.read_exactly(1)?;
        Ok(())
    }

    /// With a time-out, the kernel never restarts a call that a signal has interrupted.
    fn timeout(&self) -> Option<Duration> {
        Some(DEADLINE)
    }
}

/// A94, B45: Python 2 had to try again by hand, and lost data.
#[test]
fn signals_are_never_seen_and_cut_nothing_short() {
    let _alone = alone();
    // SIGUSR1 must be handled for a call to be interrupted. What is registered stays until the
    // process ends.
    let handled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&handled)).unwrap();

    let noting = Noting::default();
    let thread = Arc::new(Mutex::new(None));
    let thread_of_handler = Arc::clone(&thread);
    let handler = move || Answers { thread: Arc::clone(&thread_of_handler) };
    let builder = ThreadingTcpServer::builder(handler).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    eventually("the handler's thread", || thread.lock().unwrap().is_some());
    let handler = thread.lock().unwrap().unwrap();
    let interrupt = || {
        for _ in 0..SIGNALS {
            handled.store(false, Ordering::SeqCst);
            pthread_kill(handler, Signal::SIGUSR1).unwrap();
            eventually("the signal", || handled.load(Ordering::SeqCst));
        }
    };

    // In the middle of the read.
    interrupt();
    client.send("word").unwrap();
    noting.trace.wait_for("read");
    // In the middle of the write: nobody reads, so it cannot end.
    interrupt();
    let reply = std::thread::scope(|scope| {
        let reader = scope.spawn(|| client.read_exactly(LEN).unwrap());
        // And while it goes on.
        interrupt();
        reader.join().unwrap()
    });
    assert!(reply.chunks(4).all(|word| word == b"word"));
    client.send("!").unwrap();
    stop(server);
    assert_eq!(noting.trace.texts(), ["read"]);
}
