//! A server under test: a child process that writes its trace and reads commands.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::scenario::Scenario;
use crate::trace::Trace;

/// Held for writing while a server is started: its process has, until it runs the program, copies
/// of all that is open here, so what is closed meanwhile would stay open.
static SPAWNING: RwLock<()> = RwLock::new(());

/// Does something that closes a descriptor, so that it is closed.
pub fn closing<R>(close: impl FnOnce() -> R) -> R {
    let _not_spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
    close()
}

/// One of the two sides of the comparison: how its servers are started.
#[derive(Clone, Debug)]
pub struct Side {
    /// What reports call it.
    pub name: String,
    /// The program and the arguments that come before those of the scenario.
    pub command: Vec<PathBuf>,
    /// Whether probes give it all the time there is: a server that is not known to hang.
    pub patient: bool,
}

/// A running server process.
#[derive(Debug)]
pub struct Server {
    process: Child,
    commands: Option<ChildStdin>,
    trace: Arc<Trace>,
    reader: Option<JoinHandle<()>>,
    errors: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a server for `scenario` with `folder` as its working folder.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn start(side: &Side, scenario: &Scenario, folder: &Path) -> io::Result<Self> {
        let spawning = SPAWNING.write().unwrap_or_else(PoisonError::into_inner);
        let mut process = Command::new(&side.command[0])
            .args(&side.command[1..])
            .args([scenario.transport.to_string(), scenario.mixin.to_string()])
            .arg(&scenario.behaviour)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: whatever it forks can be ended with it.
            .process_group(0)
            .spawn()?;
        drop(spawning);
        let commands = process.stdin.take();
        let trace = Arc::new(Trace::default());
        let reader = process.stdout.take().map(|output| {
            let trace = Arc::clone(&trace);
            thread::spawn(move || trace.fill(BufReader::new(output)))
        });
        let errors = process.stderr.take().map(|mut output| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = output.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        Ok(Self { process, commands, trace, reader, errors })
    }

    /// What it has written.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Tells it to do something. One that has ended is told nothing: its trace says so.
    pub fn command(&mut self, command: &str) {
        if let Some(commands) = &mut self.commands {
            let _ = writeln!(commands, "{command}").and_then(|()| commands.flush());
        }
    }

    /// Waits for the process and all that it forked to end, and kills them if they do not.
    /// Returns how it went.
    pub fn end(&mut self, patience: Duration) -> String {
        if self.trace.wait_end(patience) {
            return self.wait(patience);
        }
        self.kill();
        "killed: it did not end".to_owned()
    }

    /// Kills the process and all that it forked.
    pub fn kill(&mut self) {
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }

    /// What it wrote to standard error, once it has ended.
    pub fn errors(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default()
    }

    fn wait(&mut self, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                Ok(None) | Err(_) => {
                    self.kill();
                    return "killed: it did not end".to_owned();
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.kill();
            self.errors();
        }
    }
}
