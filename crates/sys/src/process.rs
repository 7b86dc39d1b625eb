//! `fork(2)`, and waiting for one child by its pidfd.
//!
//! # Why `fork` is a safe function here
//!
//! After `fork` the child has one thread, a copy of the caller. To that thread, the child looks
//! exactly like a process whose scheduler never runs the others again. Safe Rust must be sound
//! under any schedule, that one included: memory that another thread was changing is either
//! behind a lock, which stays locked, or changed by atomic steps, each of which leaves it valid.
//! The C library resets its own allocator and standard streams in the child. The child never
//! returns into frames of its parent: it ends with `_exit(2)`, so no destructor runs twice, and
//! a panic is caught before it.
//!
//! So forking a process with several threads is not unsound; but a lock that another thread held
//! stays locked in the child, which may wait for it for ever. The locks of the standard streams
//! are therefore taken around the fork, and [`threads`] lets a caller refuse when there are
//! other threads. What `fork` copies besides memory is the caller's to think of: descriptors (a
//! child's writes are seen by the parent's peer), and the state of random number generators.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::ForkResult;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, getppid, kill_process,
    pidfd_open, pidfd_send_signal, set_parent_process_death_signal, waitid,
};

use crate::descriptor::{self, Interest};
use crate::signal;

/// What a process is that forks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The caller is its only thread.
    One,
    /// It has other threads, or may have.
    Several,
}

/// Runs `child` in a new process, which ends with the status that it returns, or with 1 if it
/// panics.
///
/// Before the fork, what this process has buffered for standard output is written, so that it
/// does not come out twice; after `child`, what the child has buffered is written. If signals
/// are [watched](signal::Watch), they are blocked from before the fork until the child has put
/// them back to what a child should do with them.
///
/// # Errors
///
/// `EAGAIN` and `ENOMEM`, as `fork(2)` has them; there is no child then.
pub fn fork(threads: Threads, child: impl FnOnce() -> u8) -> io::Result<Child> {
    // Held across the fork, so that no other thread can hold them in the child. Without other
    // threads it would do no more than have both processes copy the page that they are on.
    let locks = match threads {
        Threads::One => None,
        Threads::Several => Some((io::stdout().lock(), io::stderr().lock())),
    };
    let _ = io::stdout().flush();

    let mask = if signal::are_watched() { Some(block_signals()?) } else { None };
    HAS_FORKED.store(true, Ordering::SeqCst);
    // SAFETY: the child runs `child`, which is safe code, and then `_exit`; see the module's
    // documentation for why that is sound with and without other threads.
    let forked = unsafe { nix::unistd::fork() };
    if let Some(mask) = mask {
        if matches!(forked, Ok(ForkResult::Child)) {
            signal::reset_in_child();
        }
        // Setting back a mask that was read from the kernel cannot fail.
        let _ = mask.thread_set_mask();
    }
    // In the child too, whose own threads may print.
    drop(locks);

    match forked? {
        ForkResult::Child => {
            let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(1);
            let _ = io::stdout().flush();
            // SAFETY: it takes any status, and does not return.
            unsafe { nix::libc::_exit(status.into()) }
        }
        ForkResult::Parent { child } => {
            let pid = Pid::from_raw(child.as_raw()).ok_or(io::ErrorKind::NotFound)?;
            let mut child = Child { pid, pidfd: None };
            child.open_pidfd();
            Ok(child)
        }
    }
}

/// Whether this process has forked, or is what was forked, by [`fork`].
pub fn has_forked() -> bool {
    HAS_FORKED.load(Ordering::SeqCst)
}

static HAS_FORKED: AtomicBool = AtomicBool::new(false);

/// Blocks all signals on this thread, and returns which were blocked before.
fn block_signals() -> io::Result<SigSet> {
    Ok(SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?)
}

/// Ties the program that `command` starts to the thread that starts it: it ends, by SIGKILL, when
/// that thread does. It starts with no signal blocked, whatever is blocked here.
///
/// For a forked child that runs a program and blocks signals while it waits for it.
pub fn tie_to_spawner(command: &mut Command) {
    let spawner = getpid();
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Too late, if it has died before.
        if getppid() != Some(spawner) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(SigSet::empty().thread_set_mask()?)
    };
    // SAFETY: between fork and exec it makes three system calls that are async-signal-safe; it
    // neither allocates nor locks, and what it captures is a number.
    unsafe { command.pre_exec(before_exec) };
}

/// A child process, to be waited for by [`try_wait`](Self::try_wait).
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Child {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Opens the [pidfd](Self::pidfd), if it could not be opened before: there was no descriptor
    /// left, say. Returns whether there is one now.
    pub fn open_pidfd(&mut self) -> bool {
        if self.pidfd.is_none() {
            // It fails too if the child is gone already, because this process ignores SIGCHLD.
            self.pidfd = pidfd_open(self.pid, PidfdFlags::empty()).ok();
        }
        self.pidfd.is_some()
    }

    /// A descriptor that becomes readable when the child has ended; `None` if there was none to
    /// be had.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Reaps the child if it has ended, and tells how: `waitid(2)` of this child alone.
    pub fn try_wait(&self) -> Option<Exit> {
        let id = || match &self.pidfd {
            Some(pidfd) => WaitId::PidFd(pidfd.as_fd()),
            None => WaitId::Pid(self.pid),
        };
        match waitid(id(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(status) => status.as_ref().map(Exit::from_status),
            // With NOHANG there is no other error than ECHILD: somebody else reaped it, or this
            // process ignores SIGCHLD.
            Err(_) => Some(Exit::Unknown),
        }
    }

    /// Asks it to end: SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it: SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // It fails only when the child has ended, which is what was wanted.
        let _ = match &self.pidfd {
            Some(pidfd) => pidfd_send_signal(pidfd, signal),
            None => kill_process(self.pid, signal),
        };
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can say: it was reaped elsewhere.
    Unknown,
}

impl Exit {
    fn from_status(status: &WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => Self::Status(status),
            (_, Some(signal)) => Self::Signal(signal),
            _ => Self::Unknown,
        }
    }
}

/// Waits until `child` has ended, and reaps it.
pub fn wait(child: &Child) -> Exit {
    loop {
        if let Some(exit) = child.try_wait() {
            return exit;
        }
        let ended = (child.pidfd(), Interest::Read);
        // A child without a pidfd is looked at now and then; there are next to none.
        let timeout = child.pidfd().is_none().then_some(Duration::from_millis(100));
        let _ = descriptor::wait([ended], timeout);
    }
}

/// How many threads this process has; `None` where `/proc` does not tell.
pub fn threads() -> Option<u64> {
    let links = rustix::fs::stat("/proc/self/task").ok()?.st_nlink;
    // The folder's own two links, and one for each thread's folder.
    links.checked_sub(2)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use nix::sys::signal::{SigSet, Signal};

    use super::{Exit, Threads, fork, threads, tie_to_spawner, wait};
    use crate::descriptor::{self, Interest};

    #[test]
    fn a_child_ends_with_its_status_and_wakes_its_parent() {
        let child = fork(Threads::Several, || 7).unwrap();
        assert_eq!(wait(&child), Exit::Status(7));
        assert_eq!(child.try_wait(), Some(Exit::Unknown), "it can be reaped only once");
    }

    #[test]
    fn a_panic_in_the_child_is_status_1() {
        let child = fork(Threads::Several, || panic!("expected by the test")).unwrap();
        assert_eq!(wait(&child), Exit::Status(1));
    }

    #[test]
    fn a_killed_child_tells_the_signal() {
        let child = fork(Threads::Several, || {
            loop {
                std::thread::park()
            }
        })
        .unwrap();
        assert_eq!(child.try_wait(), None);
        child.kill();
        assert_eq!(wait(&child), Exit::Signal(9));
    }

    #[test]
    fn a_thread_of_the_childs_may_print() {
        let child = fork(Threads::Several, || {
            let print = || drop((std::io::stdout().lock(), std::io::stderr().lock()));
            u8::from(std::thread::spawn(print).join().is_err())
        })
        .unwrap();
        let ended = (child.pidfd(), crate::descriptor::Interest::Read);
        let deadline = std::time::Duration::from_secs(5);
        let [ended] = crate::descriptor::wait([ended], Some(deadline)).unwrap();
        child.kill();
        assert!(ended, "it waits for a lock that its own first thread holds");
        assert_eq!(wait(&child), Exit::Status(0));
    }

    #[test]
    fn a_tied_program_ends_with_its_spawner_and_starts_with_no_signal_blocked() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = fork(Threads::Several, || {
            let mut term = SigSet::empty();
            term.add(Signal::SIGTERM);
            term.thread_block().unwrap();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "grep SigBlk /proc/self/status; exec sleep 60"]);
            command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap());
            tie_to_spawner(&mut command);
            command.spawn().unwrap().wait().unwrap();
            0
        })
        .unwrap();
        drop(writer);
        let mut reader = BufReader::new(&mut reader);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "SigBlk:\t0000000000000000\n");
        child.kill();
        assert_eq!(wait(&child), Exit::Signal(9));
        let entries = [(Some(reader.get_ref().as_fd()), Interest::Read)];
        let deadline = Some(Duration::from_secs(5));
        assert_eq!(descriptor::wait(entries, deadline).unwrap(), [true]);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody has its output any more");
    }

    #[test]
    fn threads_are_counted() {
        let before = threads().unwrap();
        assert!(before >= 1);
    }
}
