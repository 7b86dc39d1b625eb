//! A mix-in of one's own: requests run on a fixed number of workers, and wait in a queue of a
//! fixed length.
//!
//! When the queue is full, `has_room` says so, and the server leaves its socket alone; clients
//! wait in the kernel's queue then. When a worker has made room, `fileno` wakes the server.
//! The server tells each client which worker it has, and then echoes its lines.
//!
//! ```text
//! cargo run --example own_mixin [127.0.0.1:9999 [WORKERS [QUEUE]]]
//! for n in 1 2 3 4 5 6 7 8; do echo "$n" | nc -N 127.0.0.1 9999 & done; wait
//! ```

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, error};

use rustix::event::{EventfdFlags, eventfd};
use socketserver::mixin::{MixIn, PendingRequest, Unprocessed};
use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer};

/// The mix-in. Requests are boxed, so that its type does not depend on the server's.
struct Workers {
    count: usize,
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Queue {
    limit: usize,
    state: Mutex<State>,
    /// There is a job, or the queue is closed.
    changed: Condvar,
    /// Readable when the queue had been full and is not any more.
    room: OwnedFd,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Workers {
    fn new(count: usize, limit: usize) -> io::Result<Self> {
        let room = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let queue = Queue { limit, state: Mutex::default(), changed: Condvar::new(), room };
        Ok(Self { count, queue: Arc::new(queue), threads: Mutex::default() })
    }
}

impl<P: PendingRequest + Send + 'static> MixIn<P> for Workers {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        self.queue.push(Box::new(move || {
            request.finish();
        }));
        Ok(())
    }

    fn server_activate(&self) -> io::Result<()> {
        if self.count == 0 || self.queue.limit == 0 {
            let text = "without workers or without a queue no request could run";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 1..=self.count {
            let queue = Arc::clone(&self.queue);
            let worker = thread::Builder::new().name(format!("worker {number}"));
            threads.push(worker.spawn(move || queue.work())?);
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.queue.lock().jobs.len() < self.queue.limit
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.room.as_fd())
    }

    fn service_actions(&self) {
        // Makes it unreadable; `has_room` is asked again after this. An error says that it was.
        let _ = rustix::io::read(&self.queue.room, &mut [0; 8]);
    }

    fn server_close(&self) {
        self.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // It cannot have panicked: `finish` never does.
            let _ = thread.join();
        }
    }
}

/// For a server that is dropped without having been closed.
impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Queue {
    fn push(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.changed.notify_one();
    }

    /// What a worker does.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                if state.jobs.len() + 1 == self.limit {
                    // It cannot fail: nobody counts this up to the end of an u64.
                    let _ = rustix::io::write(&self.room, &1_u64.to_ne_bytes());
                }
                drop(state);
                job();
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Echo;

impl StreamRequestHandler for Echo {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        writeln!(wfile, "{}", thread::current().name().unwrap_or("nobody"))?;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9999".into());
    let workers = arguments.next().map_or(Ok(4), |count| count.parse())?;
    let queue = arguments.next().map_or(Ok(16), |limit| limit.parse())?;

    let server = TcpServer::builder(|| Echo).mixin(Workers::new(workers, queue)?).bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
