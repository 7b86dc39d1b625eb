//! The clients of one server, in a process of their own: it has descriptors of its own.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::child::Child;
use crate::load::{Load, Outcome};
use crate::{Result, THIS_PROGRAM};

/// A load generator that waits to be told what to send.
#[derive(Debug)]
pub(crate) struct Clients {
    child: Child,
}

impl Clients {
    /// Starts it where this process may run, and returns when all is connected.
    pub(crate) fn start(load: Load, address: SocketAddr) -> Result<Self> {
        let mut command = Command::new(THIS_PROGRAM);
        command.arg("drive").args(load.to_string().split(' ')).arg(address.to_string());
        let mut clients = Self { child: Child::spawn(command)? };
        clients.expect("open")?;
        Ok(clients)
    }

    /// Sends so many requests more; see [`crate::load::Session::run`].
    pub(crate) fn run(&mut self, requests: usize) -> Result<Outcome> {
        self.child.tell(&format!("run {requests}"))?;
        let text = self.expect("ran")?;
        let (took, replies) = text.split_once(' ').unwrap_or((&text, ""));
        Ok(Outcome { took: Duration::from_nanos(took.parse()?), replies: replies.parse()? })
    }

    /// Closes every connection; see [`crate::load::Session::close`].
    pub(crate) fn close(mut self) -> Result<()> {
        self.child.tell("close")?;
        self.expect("closed").map(drop)
    }

    /// What follows this word.
    fn expect(&mut self, word: &str) -> Result<String> {
        let line = self.child.line(LIMIT).map_err(|error| format!("the clients: {error}"))?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            (first, rest) if first == word => Ok(rest.to_owned()),
            ("error", rest) => Err(rest.into()),
            _ => Err(format!("the clients said {line:?}").into()),
        }
    }
}

/// The other side: does what it is told on standard input, until that ends.
pub(crate) fn drive(load: Load, address: SocketAddr) -> Result<()> {
    if let Err(error) = obey(load, address) {
        let text = error.to_string().replace('\n', " ");
        writeln!(io::stdout(), "error {text}")?;
    }
    Ok(())
}

fn obey(load: Load, address: SocketAddr) -> Result<()> {
    let mut session = load.open(address)?;
    writeln!(io::stdout(), "open")?;
    for line in io::stdin().lock().lines() {
        match line?.split_once(' ') {
            Some(("run", requests)) => {
                let Outcome { took, replies } = session.run(requests.parse()?)?;
                writeln!(io::stdout(), "ran {} {replies}", took.as_nanos())?;
            }
            _ => {
                session.close()?;
                writeln!(io::stdout(), "closed")?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// More than any run may take.
const LIMIT: Duration = Duration::from_secs(150);
