//! What a command prints, if it ends in time.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Result;

/// Runs a command to its end and returns its standard output.
///
/// # Errors
///
/// If it fails, or if it or a child of it is still there after `limit`; then all are killed.
pub(crate) fn output_within(mut command: Command, limit: Duration) -> Result<String> {
    let deadline = Instant::now() + limit;
    // A group of its own, for what it forks may outlive it and hold on to its output.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut text = Vec::new();
    let result = match child.stdout.take() {
        Some(mut stdout) => read_until(&mut stdout, &mut text, deadline),
        None => Err("no standard output".into()),
    };
    if result.is_err() {
        // The result tells already that something is wrong.
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    }
    let status = child.wait()?;
    result?;
    if !status.success() {
        return Err(format!("ended with {status}").into());
    }
    Ok(String::from_utf8(text)?)
}

fn read_until(from: &mut (impl Read + AsFd), into: &mut Vec<u8>, deadline: Instant) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut readable = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        if left.is_zero() || poll(&mut readable, PollTimeout::try_from(left)?)? == 0 {
            return Err("did not end in time".into());
        }
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => into.extend_from_slice(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Result<String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        output_within(command, limit)
    }

    #[test]
    fn the_output_of_a_success_is_returned() {
        assert_eq!(run("echo 1; echo 2", Duration::from_secs(10)).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_failure_is_an_error() {
        let error = run("echo 1; exit 3", Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
    }

    #[test]
    fn a_child_that_holds_on_to_the_output_is_not_waited_for_beyond_the_limit() {
        let begin = Instant::now();
        let error = run("sleep 60 & exit 0", Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
