//! A server in a process of its own: started on its core, measured, and in any case ended.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::cpu::{Cores, Meter, Placement};
use crate::memory::Memory;
use crate::serve::NO_DELAY;
use crate::{Result, THIS_PROGRAM};

/// A server that answers on `address`.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    pub(crate) address: SocketAddr,
    child: Child,
    meter: Option<Meter>,
}

impl ServerProcess {
    /// Starts `bench serve <name>` and waits until it has printed its port, and rests.
    pub(crate) fn start(
        name: &str,
        python: &str,
        cores: &Cores,
        placement: Placement,
        no_delay: bool,
    ) -> Result<Self> {
        let mut command = Command::new(THIS_PROGRAM);
        if no_delay {
            command.env(NO_DELAY, "1");
        }
        command.args(["serve", name, "--python", python, "--for-seconds", &LIFE_LIMIT.to_string()]);
        Self::run(command, cores, placement)
    }

    /// Starts a command whose first line ends with a port, and waits until it rests.
    pub(crate) fn run(command: Command, cores: &Cores, placement: Placement) -> Result<Self> {
        cores.be_server(placement)?;
        let spawned = Child::spawn(command);
        cores.be_client(placement)?;
        let mut child = spawned?;
        let line = child.line(START_LIMIT)?;
        let port = line.rsplit(':').next().and_then(|port| port.trim().parse().ok());
        let port: u16 = port.ok_or_else(|| format!("it said {line:?}, not its port"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Self { address, child, meter: None };
        server.wait_until_it_rests()?;
        Ok(server)
    }

    /// Starts a command that will listen on this address, and does not wait for it.
    pub(crate) fn run_at(
        command: Command,
        address: SocketAddr,
        cores: &Cores,
        placement: Placement,
    ) -> Result<Self> {
        cores.be_server(placement)?;
        let spawned = Child::spawn(command);
        cores.be_client(placement)?;
        Ok(Self { address, child: spawned?, meter: None })
    }

    /// Begins to count CPU time.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.wait_until_it_rests()?;
        self.meter = Some(Meter::start(self.child.pid())?);
        Ok(())
    }

    /// The CPU time of the process itself since it was begun, when it rests.
    pub(crate) fn own(&self) -> Result<Duration> {
        self.wait_until_it_rests()?;
        Ok(self.meter.as_ref().ok_or("the meter was never started")?.own()?)
    }

    /// Ends the server and returns the CPU time of its children, from their first to their last.
    pub(crate) fn end(mut self) -> Result<Duration> {
        let meter = self.meter.take().ok_or("the meter was never started")?;
        self.child.kill()?;
        Ok(meter.reap()?)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        Ok(Memory::of(self.child.pid())?)
    }

    /// The talk with it, for what it is told while it runs.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the server rests: what it does after the last reply (closing, ending threads,
    /// waiting for children) belongs to the requests.
    pub(crate) fn wait_until_it_rests(&self) -> Result<()> {
        let watch = Meter::start(self.child.pid())?;
        let begin = Instant::now();
        let mut before = Duration::MAX;
        while begin.elapsed() < SETTLE_LIMIT {
            let now = watch.own()?;
            if now == before {
                break;
            }
            before = now;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

const START_LIMIT: Duration = Duration::from_secs(20);
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// After so many seconds a server ends itself, even if nobody is left to end it.
const LIFE_LIMIT: u32 = 300;
