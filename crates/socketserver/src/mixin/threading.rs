mod pool;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};

use socketserver_sys::waker::Waker;

use self::pool::Pool;
use super::{MixIn, PendingRequest, Unprocessed, refuse_zero};

/// Runs each request on a thread of its own: Python's `ThreadingMixIn`.
///
/// A thread that has finished its request is used again for a later one, and ends when there has
/// been none for ten seconds; so a handler may find in a thread-local what an earlier one left
/// there. At most [`max_threads`](Self::max_threads) requests run at a time; while they do,
/// clients wait in the kernel's queue.
#[doc(alias = "ThreadingMixIn")]
#[derive(Debug)]
#[non_exhaustive]
pub struct Threading {
    /// Whether closing the server leaves the requests that run alone, neither waiting for them
    /// nor cutting them. Off by default.
    ///
    /// In Rust as in Python, such threads end with the process. Unlike Python's, threads never
    /// keep a process alive that returns from `main`.
    pub daemon_threads: bool,
    /// Whether closing the server waits for the requests that run. On by default.
    pub block_on_close: bool,
    /// How many requests may run at a time. 1024 by default; `usize::MAX` for no limit.
    pub max_threads: usize,
    pool: Arc<Pool>,
    room: OnceLock<Arc<Waker>>,
}

impl Default for Threading {
    fn default() -> Self {
        Self {
            daemon_threads: false,
            block_on_close: true,
            max_threads: 1024,
            pool: Arc::default(),
            room: OnceLock::new(),
        }
    }
}

impl Threading {
    /// How many threads there are, busy or waiting for work.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }
}

impl<P: PendingRequest + Send + 'static> MixIn<P> for Threading {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        let worker = match self.pool.worker() {
            Ok(worker) => worker,
            Err(error) => return Err(Unprocessed { request, error }),
        };
        worker.run(Box::new(move || {
            request.finish();
        }));
        Ok(())
    }

    fn server_activate(&self) -> io::Result<()> {
        refuse_zero("max_threads", self.max_threads)?;
        let waker = Arc::new(Waker::new()?);
        self.pool.set_limit(self.max_threads, Arc::clone(&waker));
        let _ = self.room.set(waker);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.pool.has_room()
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.room.get().filter(|_| self.pool.is_room_awaited()).map(|waker| waker.as_fd())
    }

    fn service_actions(&self) {
        self.pool.clear_room();
    }

    fn block_on_close(&self) -> bool {
        self.block_on_close && !self.daemon_threads
    }

    fn server_close(&self) {
        self.pool.close();
    }
}

impl Drop for Threading {
    fn drop(&mut self) {
        self.pool.abandon();
    }
}
