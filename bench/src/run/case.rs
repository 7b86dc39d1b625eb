//! One load on its servers: they take turns, so that the machine's moods fall on all alike.

use std::time::Duration;

use super::Runs;
use crate::Result;
use crate::clients::Clients;
use crate::load::Histogram;
use crate::plan::{Case, Comparison};
use crate::server_process::ServerProcess;
use crate::servers;

/// What was measured of one case; `servers` in the order of the plan.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) comparisons: &'static [Comparison],
    pub(crate) servers: Vec<ServerResult>,
}

/// One value for each repetition.
#[derive(Debug)]
pub(crate) struct ServerResult {
    pub(crate) server: &'static str,
    pub(crate) cpu_us: Vec<f64>,
    pub(crate) per_second: Vec<f64>,
    /// How long replies took, in microseconds: 50, 99 and 99.9 in a hundred, no longer than this.
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
    pub(crate) p999: Vec<f64>,
    /// What was resident at the end, in megabytes.
    pub(crate) resident_mb: Vec<f64>,
}

impl ServerResult {
    pub(crate) fn new(server: &'static str) -> Self {
        Self {
            server,
            cpu_us: Vec::new(),
            per_second: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
            p999: Vec::new(),
            resident_mb: Vec::new(),
        }
    }

    fn push(&mut self, figures: &Figures) {
        self.cpu_us.push(figures.cpu_us);
        self.per_second.push(figures.per_second);
        let [p50, p99, p999] = figures.percentiles_us;
        self.p50.extend(p50);
        self.p99.extend(p99);
        self.p999.extend(p999);
        self.resident_mb.push(figures.resident as f64 / 1e6);
    }
}

impl Runs<'_> {
    pub(super) fn case(
        &self,
        case: &'static Case,
        failures: &mut Vec<String>,
    ) -> Result<CaseResult> {
        let present = self.present(case.servers);
        let mut servers: Vec<_> = present.into_iter().map(ServerResult::new).collect();
        let repeat = self.repeat_of(case);
        for repetition in 1..=repeat {
            if servers.is_empty() {
                break;
            }
            // Each time another one begins, so that no place in the order is always the same one's.
            servers.rotate_left(1);
            self.progress.now(&format!("{} {repetition}/{}", case.name, repeat));
            for (server, error) in self.repetition(case, &mut servers) {
                self.note(failures, case.name, server, &error);
                servers.retain(|result| result.server != server);
            }
        }
        servers.sort_by_key(|result| case.servers.iter().position(|name| *name == result.server));
        let Case { name, title, comparisons, .. } = *case;
        Ok(CaseResult { name, title, comparisons, servers })
    }

    /// All servers at once, but only one of them at work. Returns which failed.
    fn repetition(
        &self,
        case: &Case,
        results: &mut [ServerResult],
    ) -> Vec<(&'static str, crate::Error)> {
        let mut failed = Vec::new();
        let mut turns = Vec::new();
        for result in &mut *results {
            match Turns::start(self, case, result.server) {
                Ok(server) => turns.push((result, server)),
                Err(error) => failed.push((result.server, error)),
            }
        }
        for _ in 0..self.slices(case.slices) {
            turns = keep(turns, &mut failed, |server| server.slice(case.requests));
            self.progress.step(turns.len());
        }
        for (result, server) in turns {
            match server.end() {
                Ok(figures) => self.tell(result, &figures),
                Err(error) => failed.push((result.server, error)),
            }
        }
        failed
    }

    /// Adds what one repetition says.
    pub(crate) fn tell(&self, result: &mut ServerResult, figures: &Figures) {
        self.progress.say(&format!(
            "    {:34} {:8.2} us/request {:8.0} requests/s",
            servers::title(result.server),
            figures.cpu_us,
            figures.per_second,
        ));
        result.push(figures);
    }
}

type Pair<'a> = (&'a mut ServerResult, Turns);

/// Gives each its turn, and sends home who fails.
fn keep<'a>(
    turns: Vec<Pair<'a>>,
    failed: &mut Vec<(&'static str, crate::Error)>,
    turn: impl Fn(&mut Turns) -> Result<()>,
) -> Vec<Pair<'a>> {
    let mut kept = Vec::with_capacity(turns.len());
    for (result, mut server) in turns {
        match turn(&mut server) {
            Ok(()) => kept.push((result, server)),
            Err(error) => failed.push((result.server, error)),
        }
    }
    kept
}

/// A server and its clients, within one repetition.
struct Turns {
    process: ServerProcess,
    clients: Clients,
    warming: usize,
    requests: usize,
    took: Duration,
    replies: Histogram,
}

/// What one repetition says of a server.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    /// 50, 99 and 99.9 in a hundred replies took no longer, where that is known.
    pub(crate) percentiles_us: [Option<f64>; 3],
    /// In bytes.
    pub(crate) resident: u64,
}

impl Turns {
    /// Connects, and lets it serve half a slice that is not counted: what is done once is done then.
    fn start(runs: &Runs<'_>, case: &Case, server: &str) -> Result<Self> {
        let python = &runs.options.python;
        let mut process =
            ServerProcess::start(server, python, runs.cores, case.placement, case.no_delay)?;
        let mut clients = Clients::start(case.load, process.address)?;
        let warming = case.requests / 2;
        clients.run(warming)?;
        process.begin()?;
        let replies = Histogram::default();
        Ok(Self { process, clients, warming, requests: 0, took: Duration::ZERO, replies })
    }

    fn slice(&mut self, requests: usize) -> Result<()> {
        let outcome = self.clients.run(requests)?;
        self.took += outcome.took;
        self.replies.merge(&outcome.replies);
        self.requests += requests;
        Ok(())
    }

    fn end(self) -> Result<Figures> {
        let own = self.process.own()?;
        let resident = self.process.memory()?.resident;
        self.clients.close()?;
        // The children of the warming slice cannot be told from the others.
        let children = self.process.end()?;
        let requests = self.requests as f64;
        let own = own.as_secs_f64() / requests;
        let children = children.as_secs_f64() / (requests + self.warming as f64);
        Ok(Figures {
            cpu_us: (own + children) * 1e6,
            per_second: requests / self.took.as_secs_f64(),
            percentiles_us: [50.0, 99.0, 99.9].map(|p| Some(self.replies.percentile_us(p))),
            resident,
        })
    }
}
