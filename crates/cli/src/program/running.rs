use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use socketserver::{Parker, blocking};
use socketserver_coroutine::io::{Interest, wait};

use super::Cut;

/// How long a program that is cut has from SIGTERM to SIGKILL. Shorter than the second that a
/// server gives a forked child, which must not be killed before its program is.
const GRACE: Duration = Duration::from_millis(500);

/// The most that a program may answer to a datagram: what no datagram can carry anyway.
const LONGEST_REPLY: usize = 64 * 1024;

/// How a program ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Itself(ExitStatus),
    /// It was cut, and is gone with all that it had started.
    Cut,
}

/// A program that runs, the first of its process group. Dropping it cuts it.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Readable when the program has ended.
    pidfd: Option<OwnedFd>,
    is_reaped: bool,
}

impl Running {
    /// Starts it, and closes what only it shall have: else our copies would keep the connection
    /// open as long as the program runs, even if it closes its own.
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        // It takes a millisecond, during which other coroutines would have to wait.
        blocking(move || {
            let child = command.spawn()?;
            let mut running = Self { child, pidfd: None, is_reaped: false };
            // It is not reaped yet, so the number is its own.
            running.pidfd = Some(pidfd_open(Pid::from_child(&running.child), PidfdFlags::empty())?);
            Ok(running)
        })
    }

    /// Waits for the program's end, or until it is cut.
    pub(super) fn wait(mut self, cut: &Cut<'_>) -> io::Result<Ended> {
        loop {
            let [ended, cut] = self.poll(None, cut).map(|[_, ended, cut]| [ended, cut])?;
            if ended {
                return self.reap().map(Ended::Itself);
            }
            if cut {
                self.cut();
                return Ok(Ended::Cut);
            }
        }
    }

    /// Waits for the program's end, or until it is cut, and collects what it writes meanwhile to
    /// its standard output, which is a pipe.
    ///
    /// What something that it has left behind writes later is nobody's.
    pub(super) fn wait_with_output(mut self, cut: &Cut<'_>) -> io::Result<(Ended, Vec<u8>)> {
        let mut stdout = self.child.stdout.take();
        if let Some(stdout) = &stdout {
            rustix::io::ioctl_fionbio(stdout, true)?;
        }
        let mut output = Vec::new();
        let ended = loop {
            let [_, ended, is_cut] = self.poll(stdout.as_ref(), cut)?;
            // After the look at the program, so that the last of what it wrote is there.
            if let Some(pipe) = &mut stdout
                && read_all(pipe, &mut output)?
            {
                // Closed by the program; or by us, and then the program is told by SIGPIPE.
                stdout = None;
            }
            if ended {
                break Ended::Itself(self.reap()?);
            }
            if is_cut {
                self.cut();
                break Ended::Cut;
            }
        };
        if output.len() > LONGEST_REPLY {
            let text = format!("the program wrote more than {LONGEST_REPLY} bytes for one reply");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok((ended, output))
    }

    /// Waits until there is output, the program has ended, or it is to be cut.
    fn poll(&self, stdout: Option<&ChildStdout>, cut: &Cut<'_>) -> io::Result<[bool; 3]> {
        let entries = [
            (stdout.map(AsFd::as_fd), Interest::Read),
            (self.pidfd.as_ref().map(AsFd::as_fd), Interest::Read),
            (Some(cut.as_fd()), Interest::Read),
        ];
        wait(entries, None)
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.is_reaped = true;
        Ok(status)
    }

    /// Ends the program and all of its group: SIGTERM, and SIGKILL to what is left.
    fn cut(&mut self) {
        let group = Pid::from_child(&self.child);
        // They fail only when nobody is left, and that is what was wanted.
        let _ = kill_process_group(group, Signal::TERM);
        // Also in a coroutine that has been cut, which is when this is called.
        let _ = Parker::new().park_uncut(Some(Instant::now() + GRACE));
        // Reaped only now: for so long the group's number cannot become another's.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.reap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.cut();
        }
    }
}

/// Reads what is there, up to one byte more than a reply may have; returns whether there will be
/// no more of it.
fn read_all(pipe: &mut ChildStdout, output: &mut Vec<u8>) -> io::Result<bool> {
    let room = (LONGEST_REPLY + 1).saturating_sub(output.len());
    match pipe.by_ref().take(room as u64).read_to_end(output) {
        // Either the end, or more than is wanted.
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
