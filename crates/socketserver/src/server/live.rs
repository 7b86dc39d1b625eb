use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use socketserver_sys::waker::Waker;

use crate::address::Address;
use crate::handler::Shared;
use crate::transport::Kind;
use crate::wait::{self, Runner};

/// How many parts the table has, so that threads do not wait for each other.
const PARTS: usize = 16;

/// The requests that run in this process: from when they are taken off the socket until they are
/// closed.
pub(super) struct Live<K: Kind> {
    /// A request is in that of the thread that took it.
    parts: [Mutex<Part<K>>; PARTS],
    count: AtomicUsize,
    begun: Instant,
    /// Who waits for requests to end waits until there are no more than so many.
    awaited: AtomicUsize,
    /// Woken when so many are left, or one has come to where it runs, while somebody waits for that.
    ended: OnceLock<Waker>,
}

struct Part<K: Kind> {
    /// Threads that are taking a request at the moment.
    turns: Vec<Turn>,
    entries: Vec<Option<Entry<K>>>,
    free: Vec<u32>,
}

struct Entry<K: Kind> {
    client_address: Address,
    /// In nanoseconds after the table was made: half the size of an `Instant`.
    since: u64,
    /// The thread or the coroutine that has it in its hands: the one that took it, and then the
    /// handler's; `None` while it waits for that one.
    runner: Option<Runner>,
    /// Weak, so that a request that has been closed is closed.
    request: Weak<K::Request>,
    shared: Arc<Shared>,
}

impl<K: Kind> Live<K> {
    pub(super) fn new() -> Self {
        let part = || Part { turns: Vec::new(), entries: Vec::new(), free: Vec::new() };
        Self {
            parts: std::array::from_fn(|_| Mutex::new(part())),
            count: AtomicUsize::new(0),
            begun: Instant::now(),
            awaited: AtomicUsize::new(0),
            ended: OnceLock::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// How many there are in the hands of this thread or coroutine, which cannot end while it waits.
    /// It looks at all of them.
    pub(super) fn own(&self) -> usize {
        let own = Some(Runner::current());
        let is_own = |entry: &&Entry<K>| entry.runner == own;
        self.parts().map(|part| part.entries.iter().flatten().filter(is_own).count()).sum()
    }

    /// Has the waker woken when no more than so many are left.
    pub(super) fn await_only(&self, count: usize) {
        self.awaited.fetch_max(count, Ordering::SeqCst);
    }

    /// Whether every request is where it can be counted: with no other thread on its way from the
    /// socket to here, or from here to where it runs.
    pub(super) fn is_settled(&self) -> bool {
        let own = Runner::current();
        let is_unsettled = |turn: &Turn| turn.runner != own && turn.is_unsettled;
        !self.parts().any(|part| part.turns.iter().any(is_unsettled))
    }

    /// Notes that this thread takes a request, until the guard is dropped.
    pub(super) fn turn(&self) -> TurnGuard<'_, K> {
        let runner = Runner::current();
        self.part(own_part()).turns.push(Turn { runner, is_unsettled: true });
        TurnGuard(self)
    }

    /// Adds a request that is in the hands of this thread.
    pub(super) fn add(&self, request: &Arc<K::Request>, client_address: &Address) -> Ticket {
        let shared = Arc::<Shared>::default();
        let since = Instant::now();
        let runner = Runner::current();
        let entry = Entry {
            client_address: client_address.clone(),
            since: nanos(since.saturating_duration_since(self.begun)),
            runner: Some(runner),
            request: Arc::downgrade(request),
            shared: Arc::clone(&shared),
        };
        let part = own_part();
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut entries = self.part(part);
        let index = entries.add(entry);
        entries.settle(runner, true);
        drop(entries);
        Ticket { part, index, since, shared }
    }

    /// Notes that the request waits for the thread that will run it.
    pub(super) fn give_away(&self, ticket: &Ticket) {
        self.change(ticket, |entry, _| entry.runner = None, false);
    }

    /// Notes that the request came back to this thread, for there was none to run it.
    pub(super) fn take_back(&self, ticket: &Ticket) {
        self.change(ticket, |entry, runner| entry.runner = Some(runner), true);
        self.wake();
    }

    /// Notes that the request runs on this thread, with `request` for its connection.
    pub(super) fn begin(&self, ticket: &Ticket, request: &Arc<K::Request>) {
        let change = |entry: &mut Entry<K>, runner| {
            entry.runner = Some(runner);
            entry.request = Arc::downgrade(request);
        };
        self.change(ticket, change, true);
        self.wake();
    }

    fn change(
        &self,
        ticket: &Ticket,
        change: impl FnOnce(&mut Entry<K>, Runner),
        is_settled: bool,
    ) {
        let runner = Runner::current();
        let mut part = self.part(ticket.part);
        if let Some(Some(entry)) = part.entries.get_mut(ticket.index as usize) {
            change(entry, runner);
        }
        // The turn is where the thread took it that has the turn, if one of this thread's is.
        let own = own_part();
        if own == ticket.part {
            part.settle(runner, is_settled);
        } else {
            drop(part);
            self.part(own).settle(runner, is_settled);
        }
    }

    pub(super) fn remove(&self, ticket: &Ticket) {
        let entry = self.part(ticket.part).remove(ticket.index);
        drop(entry);
        let left = self.count.fetch_sub(1, Ordering::SeqCst) - 1;
        if left <= self.awaited.load(Ordering::SeqCst) {
            self.wake();
        }
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
        let now = nanos(self.begun.elapsed());
        let mut cut = Vec::new();
        for part in self.parts() {
            for entry in part.entries.iter().flatten().filter(|entry| entry.runner != own) {
                entry.shared.cut();
                if let Some(request) = entry.request.upgrade() {
                    K::cut(&request);
                }
                let age = Duration::from_nanos(now.saturating_sub(entry.since));
                cut.push((entry.client_address.clone(), age));
            }
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

    fn parts(&self) -> impl Iterator<Item = MutexGuard<'_, Part<K>>> {
        (0..PARTS as u32).map(|part| self.part(part))
    }

    fn part(&self, part: u32) -> MutexGuard<'_, Part<K>> {
        self.parts[part as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Which part is this thread's.
fn own_part() -> u32 {
    (wait::thread().get() % PARTS as u64) as u32
}

/// One request's place in [`Live`].
pub(super) struct Ticket {
    part: u32,
    index: u32,
    pub(super) since: Instant,
    pub(super) shared: Arc<Shared>,
}

impl<K: Kind> Part<K> {
    fn add(&mut self, entry: Entry<K>) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = Some(entry);
                index
            }
            None => {
                if self.entries.is_empty() {
                    // So much that the allocator takes it from the kernel, page by page as it is
                    // used; what is less leaves gaps among other things when it grows.
                    self.entries.reserve_exact(4096);
                }
                self.entries.push(Some(entry));
                self.entries.len() as u32 - 1
            }
        }
    }

    fn remove(&mut self, index: u32) -> Option<Entry<K>> {
        let entry = self.entries.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(entry)
    }

    /// Notes of the turn of `runner`, if it has one, whether its request can be counted.
    fn settle(&mut self, runner: Runner, is_settled: bool) {
        // The last, for a handler may have begun another turn.
        if let Some(turn) = self.turns.iter_mut().rfind(|turn| turn.runner == runner) {
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
        let mut part = self.0.part(own_part());
        if let Some(at) = part.turns.iter().rposition(|turn| turn.runner == own) {
            part.turns.remove(at);
        }
        drop(part);
        self.0.wake();
    }
}
