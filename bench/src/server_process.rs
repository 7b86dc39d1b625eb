//! A server in a process of its own: started on its core, measured, and in any case ended.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Result;
use crate::cpu::{Cores, Meter, Placement};

/// A server that answers on `address`.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    pub(crate) address: SocketAddr,
    child: Child,
    meter: Option<Meter>,
    reaped: bool,
}

impl ServerProcess {
    /// Starts `bench serve <name>` and waits until it has printed its port.
    pub(crate) fn start(
        name: &str,
        python: &str,
        cores: &Cores,
        placement: Placement,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name, "--python", python, "--for-seconds", &LIFE_LIMIT.to_string()]);
        // A group of its own: a forking server is then ended together with its children.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        cores.be_server(placement)?;
        let spawned = command.spawn();
        cores.be_client(placement)?;

        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { address: nowhere, child: spawned?, meter: None, reaped: false };
        let port = server.read_port()?;
        server.address.set_port(port);
        server.settle()?;
        server.meter = Some(Meter::start(server.pid())?);
        Ok(server)
    }

    /// Ends the server and returns the CPU time that it and its children took since it was ready.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        self.settle()?;
        let meter = self.meter.take().ok_or("the server was never ready")?;
        let own = meter.own()?;
        killpg(self.pid(), Signal::SIGKILL)?;
        let children = meter.reap()?;
        self.reaped = true;
        Ok(own + children)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn read_port(&mut self) -> Result<u16> {
        let stdout = self.child.stdout.as_mut().ok_or("the server has no standard output")?;
        let mut readable = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        if poll(&mut readable, PollTimeout::try_from(START_LIMIT)?)? == 0 {
            return Err("the server did not print its port in time".into());
        }
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("the server printed {line:?}, not its port").into())
    }

    /// Waits until the server rests: what it does after the last reply (closing, ending threads,
    /// waiting for children) belongs to the requests.
    fn settle(&self) -> Result<()> {
        let watch = Meter::start(self.pid())?;
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

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.reaped {
            // Errors have no use here: whoever drops a running server is already reporting one.
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

const START_LIMIT: Duration = Duration::from_secs(20);
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// After so many seconds a server ends itself, even if nobody is left to end it.
const LIFE_LIMIT: u32 = 300;
