//! Serves all endpoints until a signal comes, and lets what is open come to its end.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socketserver::mixin::{AnyMixIn, MixIn};
use socketserver::transport::Transport;
use socketserver::{DrainReport, Pending, PollSet, Server, SignalGuard};
use socketserver_sys::descriptor::{Interest, wait};
use socketserver_sys::signal::Watch;
use socketserver_sys::waker::Waker;

use crate::exit::Fatal;
use crate::state::State;

/// A server, whatever its transport.
pub(crate) trait Serve: AsFd + fmt::Debug + Send + Sync {
    /// See [`Server::serve_forever`].
    fn serve_forever(&self) -> io::Result<()>;
    /// See [`Server::handle_request_noblock`].
    fn handle_request_noblock(&self);
    /// See [`Server::poll_set`].
    fn poll_set(&self) -> PollSet<'_>;
    /// See [`ShutdownHandle::on_signals`](socketserver::ShutdownHandle::on_signals).
    fn on_signals(&self) -> io::Result<SignalGuard>;
    /// How many requests run, in this process and in children.
    fn open(&self) -> usize;
    /// See [`Server::drain`].
    fn drain(&self, deadline: Duration) -> DrainReport;
    /// What the server knows.
    fn state(&self) -> &State;
}

impl<T, H> Serve for Server<T, AnyMixIn, H, State>
where
    T: Transport,
    AnyMixIn: MixIn<Pending<T, State>>,
    Self: Send + Sync,
{
    fn serve_forever(&self) -> io::Result<()> {
        self.serve_forever()
    }

    fn handle_request_noblock(&self) {
        // Errors go to the observer.
        self.handle_request_noblock();
    }

    fn poll_set(&self) -> PollSet<'_> {
        self.poll_set()
    }

    fn on_signals(&self) -> io::Result<SignalGuard> {
        self.shutdown_handle().on_signals()
    }

    fn open(&self) -> usize {
        self.active_requests() + MixIn::<Pending<T, State>>::running(self.mixin())
    }

    fn drain(&self, deadline: Duration) -> DrainReport {
        self.drain(Some(deadline))
    }

    fn state(&self) -> &State {
        self.server()
    }
}

/// The signals that stop the command, from before the first socket is bound.
#[derive(Debug)]
pub(crate) struct Signals {
    /// Readable when the first has come.
    stop: Arc<Waker>,
    _watch: Watch,
}

impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        let stop = Arc::new(Waker::new()?);
        // A second signal is the servers' own affair, when they drain.
        let force = Arc::new(Waker::new()?);
        Ok(Self { _watch: Watch::new(&stop, &force)?, stop })
    }
}

/// Serves on one thread per endpoint until a signal comes, or one of them is lost.
///
/// # Errors
///
/// Why an endpoint was lost, if so it was.
pub(crate) fn on_threads(servers: &[Arc<dyn Serve>], signals: &Signals) -> Result<(), Fatal> {
    let waker = Waker::new().map_err(|error| Fatal::of("waiting for signals", &error))?;
    let lost = Arc::new((waker, OnceLock::new()));
    for server in servers {
        let (server, lost) = (Arc::clone(server), Arc::clone(&lost));
        let name = server.state().name().to_owned();
        let serve = move || {
            if let Err(error) = server.serve_forever() {
                let _ = lost.1.set(Fatal::lost(server.state().name(), error));
                lost.0.wake();
            }
        };
        // Not waited for: a handler that nothing can interrupt must not keep the command.
        thread::Builder::new()
            .name("serve".to_owned())
            .spawn(serve)
            .map_err(|error| Fatal::of(name, &error))?;
    }
    loop {
        let entries = [Some(signals.stop.as_fd()), Some(lost.0.as_fd())];
        let [stop, is_lost] = wait(entries.map(|fd| (fd, Interest::Read)), None)
            .map_err(|error| Fatal::of("waiting for signals", &error))?;
        if is_lost && let Some(fatal) = lost.1.get() {
            return Err(Fatal::clone(fatal));
        }
        if stop {
            return Ok(());
        }
    }
}

/// Serves all endpoints on this thread, the only one, until a signal comes or one of them is lost:
/// a process with threads is not to be forked.
///
/// # Errors
///
/// Why an endpoint was lost, if so it was.
pub(crate) fn on_this_thread(servers: &[Arc<dyn Serve>], signals: &Signals) -> Result<(), Fatal> {
    for (index, server) in servers.iter().enumerate() {
        let others = servers.iter().enumerate().filter(|&(other, _)| other != index);
        server.state().set_others(others.map(|(_, other)| Arc::downgrade(other)).collect());
    }
    loop {
        let sets: Vec<_> = servers.iter().map(|server| server.poll_set()).collect();
        let ready = poll_all(signals.stop.as_fd(), &sets)
            .map_err(|error| Fatal::of("waiting for clients", &error))?;
        let Some(ready) = ready else { return Ok(()) };
        for (server, is_ready) in servers.iter().zip(ready) {
            if is_ready {
                server.handle_request_noblock();
            }
            if let Some(error) = server.state().lost() {
                return Err(Fatal::lost(server.state().name(), error));
            }
        }
    }
}

/// Waits until one of the sets is ready, and tells which are; `None` when it is time to stop.
fn poll_all(stop: BorrowedFd<'_>, sets: &[PollSet<'_>]) -> io::Result<Option<Vec<bool>>> {
    let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
    let mut owners = vec![None];
    for (index, set) in sets.iter().enumerate() {
        for fd in set.descriptors.into_iter().flatten() {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            owners.push(Some(index));
        }
    }
    let timeout = sets.iter().filter_map(|set| set.timeout).min();
    let timeout = timeout.map(|timeout| {
        Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
    });
    match poll(&mut fds, timeout.as_ref()) {
        // A signal: the next look tells which.
        Err(Errno::INTR) => return Ok(Some(vec![false; sets.len()])),
        polled => polled?,
    };
    let mut ready = vec![false; sets.len()];
    for (fd, owner) in fds.iter().zip(owners) {
        match owner {
            _ if fd.revents().is_empty() => {}
            Some(index) => ready[index] = true,
            None => return Ok(None),
        }
    }
    Ok(Some(ready))
}

/// Closes all servers at once, and waits for what is open, together and up to `deadline`.
///
/// `open` is how many requests there were before.
pub(crate) fn drain(servers: &[Arc<dyn Serve>], open: usize, deadline: Duration) -> DrainReport {
    let mut reports = Vec::new();
    thread::scope(|scope| {
        let mut running = Vec::new();
        for server in &servers[1..] {
            let drain = || server.drain(deadline);
            match thread::Builder::new().name("drain".to_owned()).spawn_scoped(scope, drain) {
                Ok(thread) => running.push(thread),
                // No thread to be had: this one waits for the others first, and then for it.
                Err(_) => reports.push(server.drain(deadline)),
            }
        }
        reports.push(servers[0].drain(deadline));
        reports.extend(running.into_iter().filter_map(|thread| thread.join().ok()));
    });
    let mut total = DrainReport::default();
    for report in reports {
        total.finished += report.finished;
        total.cut.extend(report.cut);
        total.unfinished += report.unfinished;
        total.elapsed = total.elapsed.max(report.elapsed);
    }
    // Some may have ended before their server's turn, which does not know of them.
    total.finished = total.finished.max(open.saturating_sub(total.cut.len()));
    total
}
