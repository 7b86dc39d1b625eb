use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use socketserver_sys::descriptor::Set;
use socketserver_sys::process::{self, Child, Threads, fork, threads};

use super::{MixIn, PendingRequest, Unprocessed, refuse_zero};
use crate::address::Address;

/// Runs each request in a process of its own: Python's `ForkingMixIn`.
///
/// The child has a copy of the server as it was, so what its handler changes is lost with it. It
/// gives up the parent's listening socket, runs the request, writes what is buffered for standard
/// output, and ends with status 0, or 1 if the request failed; `handle_error` runs in the child.
/// Each child is waited for by its own pidfd, so the loop is woken when one ends, and children
/// that are not the server's are left alone. At most [`max_children`](Self::max_children) run at
/// a time; while they do, clients wait in the kernel's queue.
///
/// Forking copies one thread. A lock that another holds at that moment stays locked in the child
/// for ever, so by default a request is refused when the process has other threads; see
/// [`allow_threads`](Self::allow_threads) and [the manual](crate::manual::forking).
#[doc(alias = "ForkingMixIn")]
#[derive(Debug)]
#[non_exhaustive]
pub struct Forking {
    /// How many children may run at a time. 40 by default, as in Python.
    pub max_children: usize,
    /// Whether closing the server waits for the children. On by default.
    pub block_on_close: bool,
    /// Whether to fork even though the process has other threads. Off by default.
    ///
    /// Switch it on when no other thread ever holds a lock that the handler needs: when they
    /// only wait, say. Memory allocation and the standard streams are safe in any case.
    pub allow_threads: bool,
    children: Mutex<BTreeMap<u32, Running>>,
    ended: OnceLock<Set>,
}

/// A child that runs a request.
#[derive(Debug)]
struct Running {
    child: Child,
    client_address: Address,
    since: Instant,
    is_told_cut: bool,
}

impl Default for Forking {
    fn default() -> Self {
        Self {
            max_children: 40,
            block_on_close: true,
            allow_threads: false,
            children: Mutex::default(),
            ended: OnceLock::new(),
        }
    }
}

impl Forking {
    /// The process ids of the children that run: Python's `active_children`.
    pub fn active_children(&self) -> Vec<u32> {
        self.children().keys().copied().collect()
    }

    /// Reaps the children that have ended: Python's `collect_children`, which never waits here.
    ///
    /// The server calls it whenever one has ended while a loop runs, and before each fork.
    pub fn collect_children(&self) {
        // Looking at all of them is right even when nobody woke us, and cheap beside a fork.
        self.children().retain(|_, running| !self.reap(running));
    }

    /// Reaps a child if it has ended, and returns whether it has.
    fn reap(&self, running: &Running) -> bool {
        if running.child.try_wait().is_none() {
            return false;
        }
        if let (Some(set), Some(pidfd)) = (self.ended.get(), running.child.pidfd()) {
            // Closing alone would leave it there, readable, for as long as a child that was
            // forked meanwhile has its copy. It fails only if it had not been put there.
            let _ = set.remove(pidfd);
        }
        true
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<u32, Running>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the loop woken when a child ends. Without it, the child is found at the next pass that
    /// something else causes.
    fn watch(&self, id: u32) {
        let mut children = self.children();
        let (Some(running), Some(set)) = (children.get_mut(&id), self.ended.get()) else { return };
        running.child.open_pidfd();
        if let Some(pidfd) = running.child.pidfd() {
            let _ = set.add(pidfd, id.into());
        }
    }

    /// Refuses to fork when another thread might hold a lock that the child needs.
    fn check_threads(&self) -> io::Result<Threads> {
        if self.allow_threads {
            return Ok(Threads::Several);
        }
        match threads() {
            Some(1) => Ok(Threads::One),
            // Without `/proc` nobody can say.
            None => Ok(Threads::Several),
            Some(threads) => Err(io::Error::other(format!(
                "refusing to fork a process with {threads} threads, for a lock that one of them \
                 holds would stay locked in the child; `allow_threads` overrides this"
            ))),
        }
    }
}

impl<P: PendingRequest> MixIn<P> for Forking {
    fn process_request(&self, request: P) -> Result<(), Unprocessed<P>> {
        self.collect_children();
        let threads = match self.check_threads() {
            Ok(threads) => threads,
            Err(error) => return Err(Unprocessed { request, error }),
        };
        let client_address = request.client_address().clone();
        // Either the child takes the request out of its copy, or the parent has it still.
        let mut request = Some(request);
        let forked = fork(threads, || match request.take() {
            Some(mut request) => {
                request.after_fork_in_child();
                u8::from(!request.finish())
            }
            None => 1,
        });
        match (forked, request) {
            (Ok(child), Some(request)) => {
                let id = child.id();
                let since = Instant::now();
                let running = Running { child, client_address, since, is_told_cut: false };
                self.children().insert(id, running);
                // Not before: whoever closes the server meanwhile must find the one or the other.
                // And not later: its descriptor may be the last, and is free for the pidfd now.
                request.close();
                self.watch(id);
                Ok(())
            }
            (Err(error), Some(request)) => Err(Unprocessed { request, error }),
            (_, None) => unreachable!("only the child takes the request, and it does not return"),
        }
    }

    fn server_activate(&self) -> io::Result<()> {
        refuse_zero("max_children", self.max_children)?;
        let _ = self.ended.set(Set::new()?);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.children().len() < self.max_children
    }

    fn fileno(&self) -> Option<BorrowedFd<'_>> {
        self.ended.get().map(|set| set.as_fd())
    }

    fn service_actions(&self) {
        let ended = self.ended.get().and_then(|set| set.ready().ok()).unwrap_or_default();
        if ended.is_empty() {
            return;
        }
        let mut children = self.children();
        for id in ended {
            let Ok(id) = u32::try_from(id) else { continue };
            if children.get(&id).is_some_and(|running| self.reap(running)) {
                children.remove(&id);
            }
        }
    }

    fn handle_timeout(&self) {
        self.collect_children();
    }

    fn block_on_close(&self) -> bool {
        self.block_on_close
    }

    fn running(&self) -> usize {
        self.collect_children();
        self.children().len()
    }

    fn cut(&self, force: bool) -> Vec<(Address, Duration)> {
        let mut cut = Vec::new();
        for running in self.children().values_mut() {
            if force {
                running.child.kill();
            } else {
                running.child.terminate();
            }
            if !std::mem::replace(&mut running.is_told_cut, true) {
                cut.push((running.client_address.clone(), running.since.elapsed()));
            }
        }
        cut
    }
}

impl Drop for Forking {
    /// Leaves no zombie: those that still run are waited for by a thread of their own.
    fn drop(&mut self) {
        self.collect_children();
        let children = std::mem::take(&mut *self.children());
        if children.is_empty() || std::thread::panicking() {
            return;
        }
        let wait = move || {
            for running in children.into_values() {
                process::wait(&running.child);
            }
        };
        // Without a thread they are zombies until this process ends.
        let _ = std::thread::Builder::new().name("socketserver-reap".into()).spawn(wait);
    }
}
