use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::eventually;

/// Set in a process that was started by [`Process::of_test`].
const ROLE: &str = "TESTKIT_ROLE";

/// What the process that this test runs in is to do instead of the test, if it was started by
/// [`Process::of_test`]; `None` in the test itself.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Another process, ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Process {
    /// Runs the test called `name` of this binary in a process of its own, where [`role`] tells
    /// what it shall do there.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn of_test(name: &str, role: &str) -> Self {
        Self::of_test_under(&[], name, role)
    }

    /// As [`of_test`](Self::of_test), by way of a program that runs another: its name, and the
    /// arguments that come before the other's.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn of_test_under(runner: &[&str], name: &str, role: &str) -> Self {
        let begun = std::env::current_exe().and_then(|binary| {
            let mut command = match runner {
                [] => Command::new(binary),
                [program, arguments @ ..] => {
                    let mut command = Command::new(program);
                    command.args(arguments).arg(binary);
                    command
                }
            };
            command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
            Self::start(command.env(ROLE, role))
        });
        match begun {
            Ok(process) => process,
            Err(error) => panic!("cannot run {name} again: {error}"),
        }
    }

    /// Starts `command`, and takes what it writes.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let process = Self { child, stdout: Vec::new(), stderr: Vec::new() };
        let stdout = process.child.stdout.as_ref().map(AsFd::as_fd);
        let stderr = process.child.stderr.as_ref().map(AsFd::as_fd);
        for pipe in [stdout, stderr].into_iter().flatten() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(process)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written a line to standard output that has `mark` in it, and returns
    /// what follows the mark on that line.
    ///
    /// # Panics
    ///
    /// When it does not within the deadline.
    #[track_caller]
    pub fn line_after(&mut self, mark: &str) -> String {
        let mut found = None;
        let begun = std::time::Instant::now();
        while found.is_none() {
            self.read();
            let text = String::from_utf8_lossy(&self.stdout).into_owned();
            found = text.split_inclusive('\n').find_map(|line| {
                let (_, rest) = line.strip_suffix('\n')?.split_once(mark)?;
                Some(rest.to_owned())
            });
            assert!(begun.elapsed() < crate::DEADLINE, "no {mark:?} in time: {}", self.output());
            std::thread::sleep(Duration::from_millis(1));
        }
        found.unwrap_or_default()
    }

    /// All that it has written so far to standard output, and then to standard error.
    pub fn output(&mut self) -> String {
        self.read();
        let [stdout, stderr] =
            [&self.stdout, &self.stderr].map(|text| String::from_utf8_lossy(text));
        format!("{stdout}{stderr}")
    }

    /// Sends it a signal: `15` for SIGTERM.
    ///
    /// # Panics
    ///
    /// When there is no such signal, or no such process any more.
    pub fn signal(&self, number: i32) {
        let signal = Signal::from_named_raw(number);
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let sent = signal.zip(pid).map(|(signal, pid)| kill_process(pid, signal));
        assert!(matches!(sent, Some(Ok(()))), "cannot send {number} to {pid:?}");
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    ///
    /// When it is not a child of this process any more.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended, and returns how, with all that it has written.
    ///
    /// # Panics
    ///
    /// When it does not end within the deadline.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the end of a process", || {
            self.read();
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let output = self.output();
        (status.unwrap_or_default(), output)
    }

    fn read(&mut self) {
        let pipes: [(Option<&mut dyn Read>, &mut Vec<u8>); 2] = [
            (self.child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read), &mut self.stdout),
            (self.child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read), &mut self.stderr),
        ];
        for (pipe, text) in pipes {
            let Some(pipe) = pipe else { continue };
            match pipe.read_to_end(text) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    panic!("cannot read what a process writes: {error}")
                }
                _ => {}
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets this process have no more than `most` descriptors from now on.
///
/// # Panics
///
/// When the system does not let it.
pub fn limit_descriptors(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(most), maximum };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        panic!("cannot limit the descriptors: {error}");
    }
}

/// How long the processors have worked for this process.
pub fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
