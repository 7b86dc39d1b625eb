//! How long `shutdown()` takes.

use std::process::Command;
use std::time::Duration;

use super::Runs;
use crate::clients::Clients;
use crate::cpu::Placement;
use crate::load::Load;
use crate::output::output_within;
use crate::plan::Shutdown;
use crate::serve::scripts;
use crate::server_process::ServerProcess;
use crate::servers;
use crate::statistics::Spread;
use crate::{Result, THIS_PROGRAM};

/// How much of the progress one server is.
pub(super) const STEPS: usize = 50;

/// What was measured with some number of silent connections; in milliseconds.
#[derive(Debug)]
pub(crate) struct ShutdownResult {
    pub(crate) shutdown: &'static Shutdown,
    pub(crate) servers: Vec<Times>,
}

/// Of one server.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) server: &'static str,
    /// From the call of `shutdown()` to its return.
    pub(crate) shutdown: Spread,
    /// `server_close` after it, where that was timed.
    pub(crate) close: Option<Spread>,
}

impl Runs<'_> {
    pub(super) fn shutdown(
        &self,
        shutdown: &'static Shutdown,
        failures: &mut Vec<String>,
    ) -> Result<ShutdownResult> {
        // The loads before may have kept this process on one core.
        self.cores.be_client(Placement::Everywhere)?;
        let mut servers = Vec::new();
        for server in self.present(shutdown.servers) {
            self.progress.now(&format!("{} {}", shutdown.name, servers::title(server)));
            let times = match shutdown.connections {
                0 => self.without_clients(server),
                connections => self.with_clients(server, connections),
            };
            match times {
                Ok(times) => {
                    self.progress.say(&format!(
                        "    {:27} {:8.3} ms, at most {:.3}",
                        servers::title(server),
                        times.shutdown.median,
                        times.shutdown.max,
                    ));
                    servers.push(times);
                }
                Err(error) => self.note(failures, shutdown.name, server, &error),
            }
            self.progress.step(STEPS);
        }
        Ok(ShutdownResult { shutdown, servers })
    }

    fn without_clients(&self, server: &'static str) -> Result<Times> {
        let rounds = if self.options.short { "5" } else { "20" };
        let python = &self.options.python;
        let command = match server.strip_prefix("cpython-") {
            Some(class) => scripts::cpython(python, &["shutdown", class, rounds]),
            None => {
                let mut command = Command::new(THIS_PROGRAM);
                command.args(["shutdown", server, rounds]);
                command
            }
        };
        let text = output_within(command, SHUTDOWN_LIMIT)?;
        let times = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
        let shutdown = Spread::of(times.iter().map(|ns| ns / 1e6)).ok_or("it printed no time")?;
        Ok(Times { server, shutdown, close: None })
    }

    fn with_clients(&self, server: &'static str, connections: usize) -> Result<Times> {
        let (mut shutdowns, mut closes) = (Vec::new(), Vec::new());
        for _ in 0..self.repeat() {
            let mut command = Command::new(THIS_PROGRAM);
            command.args(["told", server]);
            let mut process = ServerProcess::run(command, self.cores, Placement::Everywhere)?;
            let load = Load::Echo { connections, depth: 1 };
            let mut clients = Clients::start(load, process.address)?;
            clients.run(connections)?;
            process.wait_until_it_rests()?;
            process.child().tell("stop")?;
            let line = process.child().line(SHUTDOWN_LIMIT)?;
            let (shutdown, close) = line.split_once(' ').ok_or("it printed no times")?;
            shutdowns.push(shutdown.parse::<f64>()? / 1e6);
            closes.push(close.parse::<f64>()? / 1e6);
        }
        let shutdown = Spread::of(shutdowns).ok_or("it was never stopped")?;
        Ok(Times { server, shutdown, close: Spread::of(closes) })
    }
}

/// For all rounds of one server; a loop that never ends is told by it.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(120);
