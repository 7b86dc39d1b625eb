use std::time::{Duration, Instant};

use super::Server;
use super::pending::Pending;
use crate::address::Address;
use crate::error::has_mark;
use crate::hooks::BaseServer;
use crate::mixin::MixIn;
use crate::observe::Event;
use crate::transport::Transport;
use crate::wait::{Cut, Interest, wait};

/// How long requests that have been cut get to see it, and children to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How long a request that a loop has just taken gets to reach the thread or the child that runs
/// it. A fork of a large process takes some milliseconds.
const HANDING_ON: Duration = Duration::from_millis(200);

/// What became of the requests that ran when a server was closed; see [`Server::drain`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DrainReport {
    /// How many ended by themselves.
    pub finished: usize,
    /// Those that were cut, for the time was over.
    pub cut: Vec<CutRequest>,
    /// How many of those run all the same, for they neither read nor write.
    pub unfinished: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// A request that was cut.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CutRequest {
    /// Whose it was.
    pub client_address: Address,
    /// How long ago it had been accepted.
    pub age: Duration,
}

impl DrainReport {
    /// Whether all requests ended by themselves.
    pub fn is_complete(&self) -> bool {
        self.cut.is_empty() && self.unfinished == 0
    }
}

impl<T, M, H, S> Server<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    /// Closes the server, and returns whether all requests ended by themselves; as
    /// [`drain`](Self::drain), which tells more. Python's `server_close`.
    pub fn server_close(&self, deadline: Option<Duration>) -> bool {
        self.drain(deadline).is_complete()
    }

    /// Closes the socket, waits for the requests that run, and cuts those that still do after
    /// `deadline`; with `None` it waits for as long as they take, as Python does.
    ///
    /// A loop that serves ends. A request that is cut finds its connection shut down: its reads
    /// and writes fail, and it has a second to end. A child process gets SIGTERM, and a second
    /// later SIGKILL. What a request does apart from that cannot be interrupted, so a thread may
    /// be left ([`unfinished`](DrainReport::unfinished)).
    ///
    /// Nothing is waited for if the mix-in was told not to (`block_on_close`, `daemon_threads`);
    /// nor is the request that calls, in its own handler. Calling it again is no error, and
    /// waits again. With [`on_signals`](crate::ShutdownHandle::on_signals), a second signal ends
    /// the wait as the deadline does.
    pub fn drain(&self, deadline: Option<Duration>) -> DrainReport {
        let begun = Instant::now();
        let is_first = self.core.close();
        // A request that is on its way from the loop to a thread or a child is soon there; before
        // that it could be counted twice, or not at all.
        let settled = || self.core.live.is_settled();
        self.wait_until(settled, Some(begun + HANDING_ON), true);
        // Looked for once: while this waits, they stay where they are.
        let own = self.core.live.own();
        self.core.live.await_only(own);
        let running = self.running(own);
        if is_first {
            self.core.hook("server_close", || self.core.server.server_close());
        }
        let mut report = DrainReport::default();
        if !self.mixin.block_on_close() {
            report.unfinished = self.running(own);
            return report;
        }
        let deadline = deadline.and_then(|deadline| begun.checked_add(deadline));
        if !self.wait_until_idle(own, deadline, true) {
            self.cut(own, &mut report);
        }
        report.unfinished = self.running(own);
        report.finished = running.saturating_sub(report.cut.len());
        report.elapsed = begun.elapsed();
        if report.unfinished == 0 {
            self.mixin.server_close();
        }
        report
    }

    fn cut(&self, own: usize, report: &mut DrainReport) {
        for force in [false, true] {
            // First those of this process: the mix-in may end some of them at once.
            let mut cut = if force { Vec::new() } else { self.core.live.cut() };
            cut.extend(self.mixin.cut(force));
            for (client_address, age) in cut {
                self.core.observe(&Event::Cut { client_address: &client_address, age });
                report.cut.push(CutRequest { client_address, age });
            }
            if self.wait_until_idle(own, Some(Instant::now() + GRACE), false) {
                return;
            }
        }
    }

    /// How many requests run, besides the caller's `own`, in whose handlers it is.
    fn running(&self, own: usize) -> usize {
        self.core.live.len().saturating_sub(own) + self.mixin.running()
    }

    /// Waits until no request runs; returns whether that is so.
    fn wait_until_idle(&self, own: usize, deadline: Option<Instant>, can_be_forced: bool) -> bool {
        let idle = || self.core.live.is_settled() && self.running(own) == 0;
        self.wait_until(idle, deadline, can_be_forced)
    }

    /// Waits until the requests that run have come to what `condition` wants; returns whether they
    /// have. Ends at the deadline, and at a signal's demand if `can_be_forced`.
    fn wait_until(
        &self,
        condition: impl Fn() -> bool,
        deadline: Option<Instant>,
        can_be_forced: bool,
    ) -> bool {
        let live = &self.core.live;
        let control = &self.core.shutdown_handle.0;
        loop {
            // Cleared before looking, so that what ends after looking wakes us.
            live.clear_ended();
            // Without a descriptor for the waker, we look now and then.
            let ended = live.ended();
            let poll = ended.is_err().then_some(Duration::from_millis(10));
            if condition() {
                // Another thread may wait as we do, and we may have cleared what was to wake it.
                live.wake();
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let entries = [
                (ended.ok(), Interest::Read),
                (self.mixin.fileno(), Interest::Read),
                (can_be_forced.then(|| control.force()), Interest::Read),
            ];
            match wait(entries, left.into_iter().chain(poll).min()) {
                Ok([_, mixin, force]) => {
                    if force {
                        return false;
                    }
                    if mixin {
                        self.mixin.service_actions();
                    }
                }
                // Who waits is a coroutine that another has cut, which closes the server too.
                Err(error) if has_mark::<Cut>(&error) => return condition(),
                // The kernel has no memory to wait with.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}
