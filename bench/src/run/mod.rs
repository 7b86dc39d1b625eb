//! The runs: repetition by repetition, and within each one server after another.

mod case;
mod idle;
mod parked;
mod shutdown;

use crate::Result;
use crate::cpu::Cores;
use crate::load::Load;
use crate::options::{Command, Options};
use crate::plan::{self, CASES, Case, IDLE, SHUTDOWNS};
use crate::progress::Progress;
use crate::real;
use crate::roster::Roster;
use crate::servers;

pub(crate) use self::case::{CaseResult, Figures, ServerResult};
pub(crate) use self::idle::IdleResult;
pub(crate) use self::parked::{NAME as PARKED, ParkedResult};
pub(crate) use self::shutdown::ShutdownResult;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) cases: Vec<CaseResult>,
    pub(crate) idle: Vec<IdleResult>,
    pub(crate) shutdown: Vec<ShutdownResult>,
    pub(crate) parked: Option<ParkedResult>,
    /// Which servers failed, in which load, and how; they are not in the results.
    pub(crate) failures: Vec<String>,
}

/// Who takes part, and how often.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    pub(crate) options: &'a Options,
    pub(crate) cores: &'a Cores,
    pub(crate) roster: &'a Roster,
    pub(crate) progress: Progress,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(options: &'a Options, cores: &'a Cores, roster: &'a Roster) -> Self {
        let mut runs = Self { options, cores, roster, progress: Progress::new(0) };
        runs.progress = Progress::new(match options.command {
            Command::Clients => real::steps(&runs),
            _ => runs.steps(),
        });
        runs
    }

    /// Runs whatever was asked for.
    pub(crate) fn all(&self) -> Result<Results> {
        let mut results = Results::default();
        for case in CASES.iter().filter(|case| self.is_wanted(case.name)) {
            let result = self.case(case, &mut results.failures)?;
            results.cases.push(result);
        }
        for idle in IDLE.iter().filter(|idle| self.is_wanted(idle.name)) {
            let result = self.idle(idle, &mut results.failures)?;
            results.idle.push(result);
        }
        for shutdown in SHUTDOWNS.iter().filter(|shutdown| self.is_wanted(shutdown.name)) {
            let result = self.shutdown(shutdown, &mut results.failures)?;
            results.shutdown.push(result);
        }
        if self.is_wanted(PARKED) {
            match self.parked() {
                Ok(result) => results.parked = Some(result),
                Err(error) => self.note(&mut results.failures, PARKED, "coroutine", &error),
            }
        }
        Ok(results)
    }

    pub(crate) fn repeat(&self) -> usize {
        self.options.repeat.unwrap_or(if self.options.short { 2 } else { 5 })
    }

    /// So many connections take seconds to connect, each time.
    fn repeat_of(&self, case: &Case) -> usize {
        let is_large = matches!(case.load, Load::Echo { connections: 10_000.., .. });
        if self.options.short && is_large { 1 } else { self.repeat() }
    }

    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        let only = &self.options.only;
        only.is_empty() || only.iter().any(|word| plan::is_meant_by(name, word))
    }

    /// Those of the servers that take part.
    pub(crate) fn present(&self, servers: &[&'static str]) -> Vec<&'static str> {
        servers.iter().copied().filter(|name| self.roster.has(name)).collect()
    }

    /// How much there is to do, in slices.
    fn steps(&self) -> usize {
        let cases = CASES.iter().filter(|case| self.is_wanted(case.name));
        let cases = cases.map(|case| {
            self.present(case.servers).len() * self.slices(case.slices) * self.repeat_of(case)
        });
        let idle = IDLE.iter().filter(|idle| self.is_wanted(idle.name));
        let idle = idle.map(|idle| self.present(idle.servers).len() * idle::STEPS);
        let shutdowns = SHUTDOWNS.iter().filter(|shutdown| self.is_wanted(shutdown.name));
        let shutdowns = shutdowns.map(|shutdown| self.present(shutdown.servers).len());
        let parked = self.is_wanted(PARKED).then_some(parked::STEPS);
        let shutdowns = shutdowns.map(|servers| servers * shutdown::STEPS);
        cases.chain(idle).chain(shutdowns).chain(parked).sum()
    }

    fn slices(&self, slices: usize) -> usize {
        if self.options.short { slices.div_ceil(5) } else { slices }
    }

    /// Notes that a server failed; the others go on.
    pub(crate) fn note(
        &self,
        failures: &mut Vec<String>,
        load: &str,
        server: &str,
        error: &crate::Error,
    ) {
        let text = format!("{load}, {}: {error}", servers::title(server));
        self.progress.say(&format!("FAILED: {text}"));
        failures.push(text);
    }
}
