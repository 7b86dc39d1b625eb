//! The CPU time of a server and of all its children, to the microsecond; and which core runs what.
//!
//! `/proc/<pid>/stat` counts in ticks of 10 ms, and `schedstat` forgets the threads that have
//! ended. The clocks used here are the scheduler's own:
//!
//! - the process CPU clock (`clock_getcpuclockid`) counts, in nanoseconds, every thread of a
//!   process, those that have ended included, and can be read from outside, even when the process
//!   is a zombie;
//! - `getrusage(RUSAGE_CHILDREN)` grows, at each wait, by the whole life of what was waited for:
//!   its threads, and the children that it had waited for itself. Its user and system parts are
//!   an estimate where the kernel samples them by tick; their sum is exact.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::ClockId;
use nix::unistd::Pid;

/// What a process costs between two moments of its life, and what its children cost.
///
/// The beginning and the end of the process itself (loading it, importing modules, giving back its
/// memory) are left out. Its children are counted from first to last: in a forking server they are
/// the price of a request.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: Pid,
    own_at_start: Duration,
}

impl Meter {
    /// Starts counting.
    pub(crate) fn start(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid, own_at_start: process_time(pid)? })
    }

    /// The time that the process itself took since the start, children left out.
    pub(crate) fn own(&self) -> io::Result<Duration> {
        Ok(process_time(self.pid)?.saturating_sub(self.own_at_start))
    }

    /// Waits for the process, which must have been killed, and for the children that it leaves
    /// behind, and returns what the children took.
    ///
    /// The orphans come here because this process is their subreaper.
    pub(crate) fn reap(self) -> io::Result<Duration> {
        waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        let reaped_before = reaped_time()?;
        let whole_life_of_its_own = process_time(self.pid)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            match waitid(Id::PGid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => {
                    let everything = reaped_time()?.saturating_sub(reaped_before);
                    return Ok(everything.saturating_sub(whole_life_of_its_own));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "children of the server did not end"))
    }
}

fn process_time(pid: Pid) -> io::Result<Duration> {
    let time = ClockId::pid_cpu_clock_id(pid)?.now()?;
    Ok(Duration::from_nanos(time.num_nanoseconds().try_into().unwrap_or(0)))
}

fn reaped_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(time.num_microseconds().try_into().unwrap_or(0)))
}

/// Which cores the two sides of a load run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The server on one core with all its threads and children, the clients on another.
    Apart,
    /// Both on every core there is, wherever the scheduler puts them.
    Everywhere,
    /// The server on two cores, the clients on the others; on all, if there are only two.
    Two,
}

/// The cores that this process may use.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    all: CpuSet,
    usable: Vec<usize>,
}

impl Cores {
    pub(crate) fn find() -> io::Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let usable = (0..CpuSet::count()).filter(|&core| all.is_set(core).unwrap_or(false));
        Ok(Self { all, usable: usable.collect() })
    }

    /// The client's core and the server's core, if there are two.
    pub(crate) fn apart(&self) -> Option<(usize, usize)> {
        match self.usable[..] {
            // Interrupts tend to go to the first core, and should not fall on what is measured.
            [client, .., server] => Some((client, server)),
            _ => None,
        }
    }

    /// Whether two workers leave the clients a core of their own.
    pub(crate) fn has_more_than_two(&self) -> bool {
        self.usable.len() > 2
    }

    /// Keeps the calling thread, and what it starts from now on, where the clients belong.
    pub(crate) fn be_client(&self, placement: Placement) -> io::Result<()> {
        match (placement, self.apart()) {
            (Placement::Apart, Some((client, _))) => self.be_on(&[client]),
            (Placement::Two, _) if self.has_more_than_two() => {
                self.be_on(&self.usable[..self.usable.len() - 2])
            }
            _ => self.be_anywhere(),
        }
    }

    /// Keeps the calling thread, and what it starts from now on, where the server belongs.
    pub(crate) fn be_server(&self, placement: Placement) -> io::Result<()> {
        match (placement, self.apart()) {
            (Placement::Apart, Some((_, server))) => self.be_on(&[server]),
            (Placement::Two, _) if self.has_more_than_two() => {
                self.be_on(&self.usable[self.usable.len() - 2..])
            }
            _ => self.be_anywhere(),
        }
    }

    fn be_anywhere(&self) -> io::Result<()> {
        Ok(sched_setaffinity(Pid::from_raw(0), &self.all)?)
    }

    fn be_on(&self, cores: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        cores.iter().try_for_each(|&core| set.set(core))?;
        Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use nix::sys::prctl;
    use nix::sys::signal::{Signal, killpg};

    use super::*;

    /// Runs a script up to its first line of output, kills it, and returns what it took itself and
    /// what its children took.
    #[expect(clippy::zombie_processes, reason = "the meter reaps it")]
    fn measure(script: &str) -> (Duration, Duration) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let meter = Meter::start(pid).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "worked\n");
        let own = meter.own().unwrap();
        killpg(pid, Signal::SIGKILL).unwrap();
        (own, meter.reap().unwrap())
    }

    #[test]
    fn a_process_and_its_children_are_counted_apart_and_all_of_them() {
        prctl::set_child_subreaper(true).unwrap();
        let work = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo worked";

        let (own, children) = measure(&format!("{work}; read end"));
        assert!(own > 4 * children, "itself: {own:?} {children:?}");

        let (own, children) = measure(&format!("({work}); read end"));
        assert!(children > 4 * own, "a child that it waited for: {own:?} {children:?}");

        let (own, children) = measure(&format!("({work}; exec sleep 30) & wait"));
        assert!(children > 4 * own, "a child that it left behind: {own:?} {children:?}");
    }
}
