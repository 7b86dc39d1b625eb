use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use socketserver_sys::waker::Waker;

use crate::address::Address;
use crate::handler::Cut;
use crate::transport::Kind;
use crate::wait::Runner;

/// The requests that run in this process: from when they are taken off the socket until they are
/// closed.
pub(super) struct Live<K: Kind> {
    entries: Mutex<Entries<K>>,
    /// Woken whenever a request ends while somebody waits for that.
    ended: OnceLock<Waker>,
}

struct Entries<K: Kind> {
    /// Threads that are taking a request at the moment.
    turns: Vec<Turn>,
    next: u64,
    by_id: HashMap<u64, Entry<K>>,
}

struct Entry<K: Kind> {
    client_address: Address,
    since: Instant,
    /// The thread or the coroutine that has it in its hands: the one that took it, and then the
    /// handler's; `None` while it waits for that one.
    runner: Option<Runner>,
    /// Weak, so that a request that has been closed is closed.
    request: Weak<K::Request>,
    cut: Arc<Cut>,
}

impl<K: Kind> Live<K> {
    pub(super) fn new() -> Self {
        let entries = Entries { turns: Vec::new(), next: 0, by_id: HashMap::new() };
        Self { entries: Mutex::new(entries), ended: OnceLock::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// How many there are that are not in the hands of this thread, and so can end while it waits.
    pub(super) fn others(&self) -> usize {
        let own = Some(Runner::current());
        self.lock().by_id.values().filter(|entry| entry.runner != own).count()
    }

    /// Whether every request is where it can be counted: with no other thread on its way from the
    /// socket to here, or from here to where it runs.
    pub(super) fn is_settled(&self) -> bool {
        let own = Runner::current();
        !self.lock().turns.iter().any(|turn| turn.runner != own && turn.is_unsettled)
    }

    /// Notes that this thread takes a request, until the guard is dropped.
    pub(super) fn turn(&self) -> TurnGuard<'_, K> {
        let runner = Runner::current();
        self.lock().turns.push(Turn { runner, is_unsettled: true });
        TurnGuard(self)
    }

    /// Adds a request that is in the hands of this thread.
    pub(super) fn add(&self, request: &Arc<K::Request>, client_address: &Address) -> Ticket {
        let cut = Arc::<Cut>::default();
        let since = Instant::now();
        let entry = Entry {
            client_address: client_address.clone(),
            since,
            runner: Some(Runner::current()),
            request: Arc::downgrade(request),
            cut: Arc::clone(&cut),
        };
        let mut entries = self.lock();
        let id = entries.next;
        entries.next += 1;
        entries.by_id.insert(id, entry);
        entries.settle(true);
        Ticket { id, since, cut }
    }

    /// Notes that the request waits for the thread that will run it.
    pub(super) fn give_away(&self, ticket: &Ticket) {
        let mut entries = self.lock();
        if let Some(entry) = entries.by_id.get_mut(&ticket.id) {
            entry.runner = None;
        }
        entries.settle(false);
    }

    /// Notes that the request came back to this thread, for there was none to run it.
    pub(super) fn take_back(&self, ticket: &Ticket) {
        let mut entries = self.lock();
        if let Some(entry) = entries.by_id.get_mut(&ticket.id) {
            entry.runner = Some(Runner::current());
        }
        entries.settle(true);
        drop(entries);
        self.wake();
    }

    /// Notes that the request runs on this thread, with `request` for its connection.
    pub(super) fn begin(&self, ticket: &Ticket, request: &Arc<K::Request>) {
        let mut entries = self.lock();
        if let Some(entry) = entries.by_id.get_mut(&ticket.id) {
            entry.runner = Some(Runner::current());
            entry.request = Arc::downgrade(request);
        }
        entries.settle(true);
        drop(entries);
        self.wake();
    }

    pub(super) fn remove(&self, ticket: &Ticket) {
        self.lock().by_id.remove(&ticket.id);
        self.wake();
    }

    /// Wakes those who wait for requests to end.
    pub(super) fn wake(&self) {
        if let Some(ended) = self.ended.get() {
            ended.wake();
        }
    }

    /// Cuts all that do not run on this thread; returns whose they are and how old.
    pub(super) fn cut(&self) -> Vec<(Address, Duration)> {
        let own = Some(Runner::current());
        let mut cut = Vec::new();
        for entry in self.lock().by_id.values().filter(|entry| entry.runner != own) {
            entry.cut.set();
            if let Some(request) = entry.request.upgrade() {
                K::cut(&request);
            }
            cut.push((entry.client_address.clone(), entry.since.elapsed()));
        }
        cut
    }

    /// A descriptor that becomes readable when a request ends, from now on.
    pub(super) fn ended(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.waker()?.as_fd())
    }

    pub(super) fn clear_ended(&self) {
        if let Some(ended) = self.ended.get() {
            ended.clear();
        }
    }

    fn waker(&self) -> io::Result<&Waker> {
        if let Some(waker) = self.ended.get() {
            return Ok(waker);
        }
        let waker = Waker::new()?;
        Ok(self.ended.get_or_init(|| waker))
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request's place in [`Live`].
pub(super) struct Ticket {
    id: u64,
    pub(super) since: Instant,
    pub(super) cut: Arc<Cut>,
}

impl<K: Kind> Entries<K> {
    /// Notes of this thread's turn, if it has one, whether its request can be counted.
    fn settle(&mut self, is_settled: bool) {
        let own = Runner::current();
        // The last, for a handler may have begun another turn.
        if let Some(turn) = self.turns.iter_mut().rfind(|turn| turn.runner == own) {
            turn.is_unsettled = !is_settled;
        }
    }
}

/// A thread that is taking a request off the socket and handing it on.
struct Turn {
    runner: Runner,
    is_unsettled: bool,
}

/// See [`Live::turn`].
pub(super) struct TurnGuard<'a, K: Kind>(&'a Live<K>);

impl<K: Kind> Drop for TurnGuard<'_, K> {
    fn drop(&mut self) {
        let own = Runner::current();
        let mut entries = self.0.lock();
        if let Some(at) = entries.turns.iter().rposition(|turn| turn.runner == own) {
            entries.turns.remove(at);
        }
        drop(entries);
        self.0.wake();
    }
}
