//! A child that this process talks with, line by line, and that in any case ends.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Result;

/// A process with pipes to its standard input and from its standard output.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    reaped: bool,
}

impl Child {
    /// Starts it, in a group of its own: it is ended together with its children.
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut process = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        Ok(Self { process, stdin, stdout, reaped: false })
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// The next line, its end cut off.
    ///
    /// # Errors
    ///
    /// If it does not come in time, or will never come.
    pub(crate) fn line(&mut self, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let mut line = Vec::new();
        loop {
            if self.stdout.buffer().is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                let stdout = self.stdout.get_ref();
                let mut readable = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
                if left.is_zero() || poll(&mut readable, PollTimeout::try_from(left)?)? == 0 {
                    return Err("it said nothing in time".into());
                }
            }
            let available = self.stdout.fill_buf()?;
            if available.is_empty() {
                return Err("it ended unexpectedly".into());
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            line.extend_from_slice(&available[..end.unwrap_or(available.len())]);
            let count = end.map_or(available.len(), |end| end + 1);
            self.stdout.consume(count);
            if end.is_some() {
                return Ok(String::from_utf8(line)?);
            }
        }
    }

    /// Tells it a line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().ok_or("no standard input")?;
        Ok(writeln!(stdin, "{line}")?)
    }

    /// Kills it with all its children; whoever calls this reaps it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        killpg(self.pid(), Signal::SIGKILL)?;
        self.reaped = true;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // Errors have no use here: whoever drops a running child has no more use for it.
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn sh(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    #[test]
    fn lines_go_both_ways() {
        let mut child = sh("echo ready; read word; echo \"$word\" twice; echo \"$word\"");
        assert_eq!(child.line(LIMIT).unwrap(), "ready");
        child.tell("said").unwrap();
        assert_eq!(child.line(LIMIT).unwrap(), "said twice");
        assert_eq!(child.line(LIMIT).unwrap(), "said");
        assert!(child.line(LIMIT).is_err(), "it has ended");
    }

    #[test]
    fn silence_is_an_error_in_time() {
        let begin = Instant::now();
        assert!(sh("printf half; sleep 60").line(Duration::from_millis(100)).is_err());
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
