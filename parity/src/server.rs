//! A server under test: a process that writes its trace and reads commands.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::nursery::Nursery;
use crate::scenario::Scenario;
use crate::trace::Trace;

/// One of the two sides of the comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// What reports call it.
    pub name: String,
    /// How its servers are started.
    pub start: Start,
    /// Whether probes give it all the time there is: a server that is not known to hang.
    pub patient: bool,
    /// Whether it has coroutines; one that has not runs threads in their stead.
    pub has_coroutines: bool,
}

/// How a server is started.
#[derive(Clone, Debug)]
pub enum Start {
    /// By a program and the arguments that come before those of the scenario.
    Program(Vec<PathBuf>),
    /// By a process that forks one.
    Nursery(Arc<Nursery>),
}

/// A running server process: the leader of a group, so that whatever it forks can be ended with
/// it.
#[derive(Debug)]
pub struct Server {
    group: Pid,
    /// Unless it is a nursery's.
    process: Option<Child>,
    commands: File,
    trace: Arc<Trace>,
    reader: Option<JoinHandle<()>>,
    errors: PathBuf,
    has_ended: bool,
}

impl Server {
    /// Starts a server for `scenario` with `folder` as its working folder.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn start(side: &Side, scenario: &Scenario, folder: &Path) -> io::Result<Self> {
        let mixin = match side.has_coroutines {
            true => scenario.mixin,
            false => scenario.mixin.of_python(),
        };
        let arguments =
            [scenario.transport.to_string(), mixin.to_string(), scenario.behaviour.clone()];
        let errors = folder.join("stderr");
        let mut spawning = None;
        let (group, process, commands, output) = match &side.start {
            Start::Nursery(nursery) => {
                let (group, wire) = nursery.fork(&arguments, folder)?;
                (group, None, wire.try_clone()?, wire)
            }
            Start::Program(command) => {
                spawning = Some(SPAWNING.write().unwrap_or_else(PoisonError::into_inner));
                let mut process = spawn(command, &arguments, folder, File::create(&errors)?)?;
                let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
                let input = process.stdin.take().map(OwnedFd::from);
                let output = process.stdout.take().map(OwnedFd::from);
                let (Some(pid), Some(input), Some(output)) = (pid, input, output) else {
                    return Err(io::Error::other("a process without pipes"));
                };
                (pid, Some(process), input, output)
            }
        };
        let trace = Arc::new(Trace::default());
        let filled = Arc::clone(&trace);
        let reader = thread::spawn(move || filled.fill(BufReader::new(File::from(output))));
        if spawning.is_some() {
            // Once it has written something, it has run the program.
            trace.wait(START, |lines| !lines.is_empty());
        }
        drop(spawning);
        Ok(Self {
            group,
            process,
            commands: File::from(commands),
            trace,
            reader: Some(reader),
            errors,
            has_ended: false,
        })
    }

    /// What it has written.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Tells it to do something. One that has ended is told nothing: its trace says so.
    pub fn command(&mut self, command: &str) {
        let _ = self.commands.write_all(format!("{command}\n").as_bytes());
    }

    /// Waits for the process and all that it forked to end, and kills them if they do not.
    /// Returns whether it ended by itself and well.
    pub fn end(&mut self, patience: Duration) -> bool {
        self.has_ended = self.trace.wait_end(patience);
        let said_so = self.trace.lines().last().is_some_and(|line| line.event == "~exit");
        let exited = match &mut self.process {
            Some(process) if self.has_ended => exits(process, patience),
            _ => self.has_ended,
        };
        self.kill();
        said_so && exited
    }

    /// Kills the process and all that it forked, unless they have ended.
    pub fn kill(&mut self) {
        if !self.has_ended {
            let _ = kill_process_group(self.group, Signal::KILL);
            self.has_ended = true;
        }
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    /// What it wrote to standard error.
    pub fn errors(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.errors).and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How long a program may take to write its first line.
const START: Duration = Duration::from_secs(15);

/// Held for writing while a program is started: its process has, until it runs the program, copies
/// of all that is open here, so what is closed meanwhile would stay open.
static SPAWNING: RwLock<()> = RwLock::new(());

/// Does something that closes a descriptor, so that it is closed.
pub fn closing<R>(close: impl FnOnce() -> R) -> R {
    let _not_spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
    close()
}

fn spawn(
    command: &[PathBuf],
    arguments: &[String],
    folder: &Path,
    errors: File,
) -> io::Result<Child> {
    let program = fs::canonicalize(&command[0])?;
    Command::new(program)
        .args(&command[1..])
        .args(arguments)
        .current_dir(folder)
        // To print one takes longer than a reply that is on its way is waited for.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .process_group(0)
        .spawn()
}

/// Waits for a process whose output has ended. Returns whether it exited with 0.
fn exits(process: &mut Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            Ok(None) | Err(_) => return false,
        }
    }
}
