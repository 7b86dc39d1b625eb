//! Clients that others have written, on our examples and on their peers.

mod client;
mod plan;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use self::client::Client;
pub(crate) use self::plan::CASES;
use crate::Result;
use crate::cpu::Placement::Apart;
use crate::plan::Comparison;
use crate::run::{CaseResult, Figures, Results, Runs, ServerResult};
use crate::server_process::ServerProcess;

/// One way of one client, and the servers that it is put on.
#[derive(Debug)]
pub(crate) struct RealCase {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    client: Client,
    /// How often a server has its turn in a repetition.
    slices: usize,
    pub(crate) servers: &'static [&'static str],
    comparisons: &'static [Comparison],
}

/// Runs whatever was asked for.
pub(crate) fn all(runs: &Runs<'_>) -> Results {
    let mut results = Results::default();
    for case in CASES {
        if !runs.is_wanted(case.name) {
            continue;
        }
        if !case.client.is_there() {
            let program = case.client.program();
            results.failures.push(format!("{}: skipped, there is no {program}", case.name));
            continue;
        }
        let mut servers: Vec<_> =
            runs.present(case.servers).into_iter().map(ServerResult::new).collect();
        for repetition in 1..=runs.repeat() {
            if servers.is_empty() {
                break;
            }
            servers.rotate_left(1);
            runs.progress.now(&format!("{} {repetition}/{}", case.name, runs.repeat()));
            for (server, error) in self::repetition(runs, case, &mut servers) {
                runs.note(&mut results.failures, case.name, server, &error);
                servers.retain(|result| result.server != server);
            }
        }
        servers.sort_by_key(|result| case.servers.iter().position(|name| *name == result.server));
        let RealCase { name, title, comparisons, .. } = *case;
        results.cases.push(CaseResult { name, title, comparisons, servers });
    }
    results
}

/// How many turns there are in all.
pub(crate) fn steps(runs: &Runs<'_>) -> usize {
    let cases = CASES.iter().filter(|case| runs.is_wanted(case.name));
    cases.map(|case| runs.present(case.servers).len() * slices(runs, case) * runs.repeat()).sum()
}

fn slices(runs: &Runs<'_>, case: &RealCase) -> usize {
    if runs.options.short { 1 } else { case.slices }
}

/// All servers at once, but only one of them at work. Returns which failed.
fn repetition(
    runs: &Runs<'_>,
    case: &RealCase,
    results: &mut [ServerResult],
) -> Vec<(&'static str, crate::Error)> {
    let mut failed = Vec::new();
    let mut turns = Vec::new();
    for result in &mut *results {
        match Turns::start(runs, case, result.server) {
            Ok(server) => turns.push((result, server)),
            Err(error) => failed.push((result.server, error)),
        }
    }
    for _ in 0..slices(runs, case) {
        turns.retain_mut(|(result, server)| match server.slice(&case.client) {
            Ok(()) => true,
            Err(error) => {
                failed.push((result.server, error));
                false
            }
        });
        runs.progress.step(turns.len());
    }
    for (result, server) in turns {
        match server.end(&case.client) {
            Ok(figures) => runs.tell(result, &figures),
            Err(error) => failed.push((result.server, error)),
        }
    }
    failed
}

/// A server within one repetition.
struct Turns {
    process: ServerProcess,
    requests: usize,
    took: Duration,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

impl Turns {
    fn start(runs: &Runs<'_>, case: &RealCase, server: &str) -> Result<Self> {
        let mut process = match server {
            "redis-server" => redis_server(runs)?,
            _ => match server.split_once('-') {
                Some((example @ ("resp" | "http"), mixin)) => {
                    let mut command = Command::new(example_path(example)?);
                    // On one core, where all servers are compared, one worker is what there is.
                    command.args(["127.0.0.1:0", mixin, "1"]);
                    ServerProcess::run(command, runs.cores, Apart)?
                }
                _ => ServerProcess::start(server, &runs.options.python, runs.cores, Apart, false)?,
            },
        };
        case.client.verify(process.address)?;
        process.begin()?;
        let (p50_us, p99_us) = (Vec::new(), Vec::new());
        Ok(Self { process, requests: 0, took: Duration::ZERO, p50_us, p99_us })
    }

    fn slice(&mut self, client: &Client) -> Result<()> {
        let outcome = client.run(self.process.address)?;
        self.requests += outcome.requests;
        self.took += outcome.took;
        self.p50_us.push(outcome.p50_us);
        self.p99_us.push(outcome.p99_us);
        Ok(())
    }

    fn end(self, client: &Client) -> Result<Figures> {
        let own = self.process.own()?;
        let resident = self.process.memory()?.resident;
        client.verify(self.process.address)?;
        let children = self.process.end()?;
        let requests = self.requests as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Ok(Figures {
            cpu_us: (own + children).as_secs_f64() * 1e6 / requests,
            per_second: requests / self.took.as_secs_f64(),
            // Each slice tells its own; they cannot be joined better than this.
            percentiles_us: [Some(mean(&self.p50_us)), Some(mean(&self.p99_us)), None],
            resident,
        })
    }
}

/// Redis with nothing that writes to a disk, as is usual for comparisons.
fn redis_server(runs: &Runs<'_>) -> Result<ServerProcess> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "no", "--logfile", "/dev/null"]);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let process = ServerProcess::run_at(command, address, runs.cores, Apart)?;
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        if begin.elapsed() > Duration::from_secs(10) {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

/// Builds the examples, if there is something to build.
///
/// # Errors
///
/// If cargo is not there, or fails.
pub(crate) fn build_examples() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--manifest-path", manifest]);
    command.args(["--package", "socketserver", "--example", "resp", "--example", "http_hello"]);
    // Beside this program, wherever it was built.
    if let Some(target) = std::env::current_exe()?.parent().and_then(|folder| folder.parent()) {
        command.arg("--target-dir").arg(target);
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err("the examples cannot be built".into()) }
}

fn example_path(example: &str) -> Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.set_file_name("examples");
    Ok(folder.join(if example == "http" { "http_hello" } else { example }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::is_meant_by;
    use crate::servers;

    #[test]
    fn every_name_of_the_plan_is_known_and_takes_part() {
        for case in CASES {
            assert!(case.servers.iter().all(|name| servers::find(name).is_some()), "{}", case.name);
            for comparison in case.comparisons {
                assert!(case.servers.contains(&comparison.ours), "{}", case.name);
                assert!(comparison.peer.is_none_or(|peer| case.servers.contains(&peer)));
            }
            assert!(is_meant_by(case.name, "redis") || is_meant_by(case.name, "http"));
        }
    }
}
