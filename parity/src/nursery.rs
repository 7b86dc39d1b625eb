//! A process that has all of Python loaded, and forks a server of it when asked: a tenth of the
//! time that starting Python takes.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::process::Pid;

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub struct Nursery(Mutex<Child>);

impl Nursery {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn new(command: &[PathBuf]) -> io::Result<Self> {
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Self(Mutex::new(process.spawn()?)))
    }

    /// Has it fork a server with these arguments, in `folder`. Returns the server's process and
    /// its standard input and output.
    ///
    /// # Errors
    ///
    /// It has ended, or the server does not answer.
    pub(crate) fn fork(&self, arguments: &[String], folder: &Path) -> io::Result<(Pid, OwnedFd)> {
        let listener = UnixListener::bind(folder.join("wire"))?;
        listener.set_nonblocking(true)?;
        let request = format!("{}\t{}\n", folder.display(), arguments.join("\t"));
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = process.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        requests.write_all(request.as_bytes())?;
        drop(process);
        let deadline = Instant::now() + PATIENCE;
        let wire = loop {
            match listener.accept() {
                Ok((wire, _)) => break wire,
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error),
            }
        };
        wire.set_nonblocking(false)?;
        Ok((socket_peercred(&wire)?.pid, wire.into()))
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        let process = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The end of its input is the end of it.
        drop(process.stdin.take());
        let _ = process.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(15);
