//! Several workers, each on a thread of its own, and which of them gets what.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Config;
use crate::park::Parker;
use crate::remote::{Job, Message, OnBlocked, Remote};
use crate::worker::Worker;

/// Threads that run coroutines, from [`start`](Self::start) to [`stop`](Self::stop).
pub struct Workers {
    remotes: Vec<Arc<Remote>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    fall_backs: Vec<&'static str>,
}

impl Workers {
    /// Starts `count` threads, named `name`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `count` is 0; those of making a thread, a reactor or a stack. Nothing is
    /// left running.
    pub fn start(name: &str, count: usize, config: &Config) -> io::Result<Self> {
        if count == 0 {
            let text = "there must be at least one worker";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        config.check()?;
        let (remotes, threads) = (Vec::new(), Mutex::default());
        let mut workers = Self { remotes, threads, fall_backs: Vec::new() };
        for _ in 0..count {
            match start(name, config) {
                Ok((remote, thread, fall_backs)) => {
                    workers.remotes.push(remote);
                    workers.threads().push(thread);
                    workers.fall_backs = fall_backs;
                }
                Err(error) => {
                    workers.stop(None);
                    return Err(error);
                }
            }
        }
        Ok(workers)
    }

    /// What this kernel cannot do, or does not let this process do, and is done otherwise: `io_uring`
    /// (then it is epoll), `MADV_GUARD_INSTALL` (then it is `mprotect`, and there are fewer stacks).
    pub fn fall_backs(&self) -> &[&'static str] {
        &self.fall_backs
    }

    /// Has `told` called, on the worker's thread, for each coroutine that has kept its worker from
    /// all others for more than a tenth of a second: when it has let go. The first call counts.
    pub fn on_blocked(&self, told: &OnBlocked) {
        for remote in &self.remotes {
            let _ = remote.on_blocked.set(Arc::clone(told));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.remotes.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.remotes.is_empty()
    }

    /// How many coroutines run on each, or soon will.
    pub fn loads(&self) -> impl Iterator<Item = usize> {
        self.remotes.iter().map(|remote| remote.load())
    }

    /// How many coroutines run on the worker with this number, from 0, or soon will.
    pub fn load(&self, worker: usize) -> usize {
        self.remotes.get(worker).map_or(0, |remote| remote.load())
    }

    /// Runs `code` on a coroutine of the worker that has the fewest.
    ///
    /// # Errors
    ///
    /// Gives `code` back when the workers have stopped.
    pub fn spawn(&self, code: Box<dyn FnOnce() + Send>) -> Result<(), Job> {
        self.spawn_on(self.least(), code)
    }

    /// Runs `code` on a coroutine of the worker with this number, from 0.
    ///
    /// # Errors
    ///
    /// Gives `code` back when the workers have stopped, or there is none of this number.
    pub fn spawn_on(&self, worker: usize, code: Box<dyn FnOnce() + Send>) -> Result<(), Job> {
        let Some(remote) = self.remotes.get(worker) else {
            return Err(code);
        };
        remote.add_load();
        match remote.send(Message::Spawn(code)) {
            Err(Message::Spawn(code)) => {
                remote.remove_load();
                Err(code)
            }
            _ => Ok(()),
        }
    }

    /// The number of the worker with the fewest coroutines.
    pub fn least(&self) -> usize {
        let loads = self.loads().enumerate();
        loads.min_by_key(|&(_, load)| load).map_or(0, |(number, _)| number)
    }

    /// Makes all waits of all coroutines fail from now on, but not those of the one that calls.
    pub fn cut(&self) {
        let current = Worker::current();
        for remote in &self.remotes {
            let own = current.as_ref().filter(|worker| Arc::ptr_eq(worker.remote(), remote));
            let _ = remote.send(Message::Cut(own.and_then(|worker| worker.running())));
        }
    }

    /// Ends the threads when their coroutines have ended; waits for that at most for so long.
    /// Returns whether all have ended.
    pub fn stop(&self, deadline: Option<Duration>) -> bool {
        for remote in &self.remotes {
            let _ = remote.send(Message::Stop);
        }
        let deadline = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let mut threads = self.threads();
        let own = thread::current().id();
        let mut ended = true;
        for thread in threads.drain(..) {
            // One of their own coroutines stops them.
            if thread.thread().id() == own {
                ended = false;
                continue;
            }
            while deadline.is_some_and(|deadline| Instant::now() < deadline)
                && !thread.is_finished()
            {
                // One that has been cut waits too, for its other threads must end all the same.
                let _ = Parker::new().park_uncut(Some(Instant::now() + Duration::from_millis(1)));
            }
            if deadline.is_none() || thread.is_finished() {
                let _ = thread.join();
            } else {
                ended = false;
            }
        }
        ended
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Started = (Arc<Remote>, JoinHandle<()>, Vec<&'static str>);

fn start(name: &str, config: &Config) -> io::Result<Started> {
    let remote = Arc::new(Remote::new()?);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let (of_thread, config) = (Arc::clone(&remote), config.clone());
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let worker = match Worker::new(&config, of_thread) {
            Ok(worker) => worker,
            Err(error) => return drop(sender.send(Err(error))),
        };
        let _ = sender.send(Ok(worker.fall_backs(&config)));
        drop(sender);
        // The kernel has no memory for a moment; nothing is lost by asking again.
        while worker.run(Worker::is_finished).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    })?;
    match receiver.recv() {
        Ok(Ok(fall_backs)) => Ok((remote, thread, fall_backs)),
        failed => {
            let _ = thread.join();
            failed.unwrap_or_else(|_| Err(io::Error::other("a worker has panicked")))?;
            Err(io::Error::other("a worker has ended"))
        }
    }
}

/// Tells the threads to end when their coroutines have, and waits for nothing.
impl Drop for Workers {
    fn drop(&mut self) {
        for remote in &self.remotes {
            let _ = remote.send(Message::Stop);
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("loads", &self.loads().collect::<Vec<_>>()).finish()
    }
}
