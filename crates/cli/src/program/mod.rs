//! A program for each connection, or for each datagram.

mod cut;
mod find;
mod running;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use nix::libc::SIGPIPE;
use rustix::fs::{MemfdFlags, memfd_create};
use socketserver_sys::process::tie_to_spawner;

pub(crate) use self::cut::Cut;
use self::running::{Ended, Running};
use crate::environment::{self, Environment};
use crate::exit::Fatal;

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it is.
    path: PathBuf,
    /// What it was called on the command line.
    name: OsString,
    args: Vec<OsString>,
}

impl Program {
    /// Looks for the program as a shell does: by its path, or else in the folders of `PATH`.
    ///
    /// # Errors
    ///
    /// Names a program that there is not, or that this user may not run.
    pub(crate) fn find(name: &OsStr, args: &[OsString]) -> Result<Self, Fatal> {
        let path = find::find(name, std::env::var_os("PATH").as_deref())?;
        Ok(Self { path, name: name.to_owned(), args: args.to_vec() })
    }

    /// Runs it with `connection` as its standard input and output, and waits for its end; or until
    /// it is cut.
    ///
    /// # Errors
    ///
    /// That it cannot be run, or failed. That a signal tells it that nobody reads any more is
    /// none: so most programs end when their client goes away.
    pub(crate) fn serve(
        &self,
        connection: BorrowedFd<'_>,
        environment: Environment,
        cut: &Cut<'_>,
    ) -> io::Result<()> {
        let input = connection.try_clone_to_owned()?;
        let output = connection.try_clone_to_owned()?;
        let mut command = self.command(environment, cut);
        command.stdin(input).stdout(output);
        match self.spawn(command)?.wait(cut)? {
            Ended::Itself(status) if status.signal() == Some(SIGPIPE) => Ok(()),
            ended => self.check(ended),
        }
    }

    /// Runs it with `packet` as its standard input, and returns what it writes to its standard
    /// output.
    ///
    /// # Errors
    ///
    /// That it cannot be run, failed, or wrote more than a datagram can carry.
    pub(crate) fn answer(
        &self,
        packet: &[u8],
        environment: Environment,
        cut: &Cut<'_>,
    ) -> io::Result<Vec<u8>> {
        // Not a pipe: the program may read it late or not at all, and nobody waits for that.
        let mut input = File::from(memfd_create("datagram", MemfdFlags::CLOEXEC)?);
        input.write_all(packet)?;
        input.rewind()?;
        let mut command = self.command(environment, cut);
        command.stdin(input).stdout(Stdio::piped());
        let (ended, output) = self.spawn(command)?.wait_with_output(cut)?;
        self.check(ended)?;
        Ok(output)
    }

    fn command(&self, environment: Environment, cut: &Cut<'_>) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(&self.name).args(&self.args);
        for name in environment::foreign() {
            command.env_remove(name);
        }
        command.envs(environment);
        // A group of its own: Ctrl-C in a terminal makes the server drain, and not the programs
        // end; and a program that is cut is cut with all that it has started.
        command.process_group(0);
        if let Cut::Signal(_) = cut {
            // What is blocked for our sake is not blocked for the program's; and should this child
            // be killed, the program is not left over.
            tie_to_spawner(&mut command);
        }
        command
    }

    fn spawn(&self, command: Command) -> io::Result<Running> {
        Running::spawn(command).map_err(|error| {
            let text = format!("cannot run {}: {error}", self.path.display());
            io::Error::new(error.kind(), text)
        })
    }

    fn check(&self, ended: Ended) -> io::Result<()> {
        match ended {
            // Whoever cut it says so.
            Ended::Cut => Ok(()),
            Ended::Itself(status) if status.success() => Ok(()),
            Ended::Itself(status) => {
                Err(io::Error::other(ProgramFailed { path: self.path.clone(), status }))
            }
        }
    }
}

/// How a program ended that did not end well.
#[derive(Debug)]
struct ProgramFailed {
    path: PathBuf,
    status: ExitStatus,
}

impl fmt::Display for ProgramFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended with {}", self.path.display(), self.status)
    }
}

impl std::error::Error for ProgramFailed {}
