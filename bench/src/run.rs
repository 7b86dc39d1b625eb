//! The runs: repetition by repetition, and within each one server after another.

use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::cpu::{Cores, Placement};
use crate::load::Session;
use crate::options::Options;
use crate::output::output_within;
use crate::plan::{self, CASES, Case, SHUTDOWN};
use crate::serve::python;
use crate::server_process::ServerProcess;
use crate::statistics::Spread;

/// What was measured of one case; `servers` in the order of the plan.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) case: &'static Case,
    pub(crate) servers: Vec<ServerResult>,
}

/// One value for each repetition.
#[derive(Debug)]
pub(crate) struct ServerResult {
    pub(crate) server: &'static str,
    pub(crate) cpu_us: Vec<f64>,
    pub(crate) per_second: Vec<f64>,
}

/// How long `shutdown()` of an idle server took, in milliseconds.
#[derive(Debug)]
pub(crate) struct ShutdownResult {
    pub(crate) server: &'static str,
    pub(crate) ms: Spread,
}

/// Who takes part, and how often.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    pub(crate) options: &'a Options,
    pub(crate) cores: Cores,
    pub(crate) has_python: bool,
}

impl Runs<'_> {
    pub(crate) fn repeat(&self) -> usize {
        self.options.repeat.unwrap_or(if self.options.short { 3 } else { 5 })
    }

    /// Runs every case that was asked for.
    pub(crate) fn cases(&self) -> Result<Vec<CaseResult>> {
        let wanted = |case: &&Case| self.is_wanted(|word| case.is_meant_by(word));
        CASES.iter().filter(wanted).map(|case| self.case(case)).collect()
    }

    fn case(&self, case: &'static Case) -> Result<CaseResult> {
        let servers = case.servers.iter().copied().filter(|server| self.can_run(server));
        let mut servers: Vec<_> = servers
            .map(|server| ServerResult { server, cpu_us: Vec::new(), per_second: Vec::new() })
            .collect();
        for repetition in 1..=self.repeat() {
            // Each time another one begins, so that no place in the order is always the same one's.
            servers.rotate_left(1);
            progress(&format!("{:8} {repetition}/{}", case.name, self.repeat()));
            self.repetition(case, &mut servers)
                .map_err(|error| format!("{}: {error}", case.name))?;
        }
        servers.sort_by_key(|result| case.servers.iter().position(|name| *name == result.server));
        Ok(CaseResult { case, servers })
    }

    /// All servers at once, but only one of them at work: they take turns, slice by slice, so that
    /// whatever else the machine does meanwhile falls on all of them alike.
    fn repetition(&self, case: &Case, results: &mut [ServerResult]) -> Result<()> {
        let mut turns = Vec::new();
        for result in &*results {
            turns.push(Turns::start(case, result.server, &self.options.python, &self.cores)?);
        }
        let slices = if self.options.short { case.slices.div_ceil(5) } else { case.slices };
        for _ in 0..slices {
            for server in &mut turns {
                server.slice(case.requests)?;
            }
        }
        for (result, server) in results.iter_mut().zip(turns) {
            let (cpu_us, per_second) = server.end()?;
            progress(&format!(
                "    {:27} {cpu_us:8.2} us/request {per_second:8.0} requests/s",
                plan::title(result.server),
            ));
            result.cpu_us.push(cpu_us);
            result.per_second.push(per_second);
        }
        Ok(())
    }

    /// Times `shutdown()`, if that was asked for.
    pub(crate) fn shutdown(&self) -> Result<Vec<ShutdownResult>> {
        if !self.is_wanted(|word| plan::is_meant_by("shutdown", word)) {
            return Ok(Vec::new());
        }
        // The loads before may have kept this process on one core.
        self.cores.be_client(Placement::Everywhere)?;
        let rounds = if self.options.short { 5 } else { 20 };
        let servers = SHUTDOWN.iter().copied().filter(|server| self.can_run(server));
        servers
            .map(|server| {
                let ms = self
                    .time_shutdown(server, rounds)
                    .map_err(|error| format!("shutdown, {server}: {error}"))?;
                let title = plan::title(server);
                progress(&format!(
                    "shutdown      {title:27} {:8.3} ms, at most {:.3}",
                    ms.median, ms.max
                ));
                Ok(ShutdownResult { server, ms })
            })
            .collect()
    }

    fn time_shutdown(&self, server: &str, rounds: usize) -> Result<Spread> {
        let rounds = rounds.to_string();
        let command = match server.strip_prefix("cpython-") {
            Some(class) => python::command(&self.options.python, &["shutdown", class, &rounds]),
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["shutdown", server, &rounds]);
                command
            }
        };
        let text = output_within(command, SHUTDOWN_LIMIT)?;
        let times = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
        Spread::of(times.iter().map(|ns| ns / 1e6)).ok_or_else(|| "printed no time".into())
    }

    fn is_wanted(&self, is_meant_by: impl Fn(&str) -> bool) -> bool {
        self.options.only.is_empty() || self.options.only.iter().any(|word| is_meant_by(word))
    }

    fn can_run(&self, server: &str) -> bool {
        self.has_python || !plan::needs_python(server)
    }
}

/// A server and its clients, within one repetition.
struct Turns {
    process: ServerProcess,
    session: Session,
    requests: usize,
    took: Duration,
}

impl Turns {
    fn start(case: &Case, server: &str, python: &str, cores: &Cores) -> Result<Self> {
        let process = ServerProcess::start(server, python, cores, case.placement)
            .map_err(|error| format!("{server}: {error}"))?;
        let session = case.load.open(process.address)?;
        Ok(Self { process, session, requests: 0, took: Duration::ZERO })
    }

    fn slice(&mut self, requests: usize) -> Result<()> {
        self.took += self.session.run(requests)?;
        self.requests += requests;
        Ok(())
    }

    /// CPU time per request in microseconds, and requests per second.
    fn end(self) -> Result<(f64, f64)> {
        self.session.close()?;
        let cpu = self.process.stop()?;
        let requests = self.requests as f64;
        Ok((cpu.as_secs_f64() * 1e6 / requests, requests / self.took.as_secs_f64()))
    }
}

/// One line for whoever waits; the report alone goes to standard output.
pub(crate) fn progress(line: &str) {
    // Nobody may be there to read it, and the report is still wanted.
    let _ = writeln!(io::stderr(), "{line}");
}

/// For all rounds of one server; a loop that never ends is told by it.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(120);
