//! What a silent connection costs in memory.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};

use super::Runs;
use crate::Result;
use crate::clients::Clients;
use crate::cpu::Placement;
use crate::load::Load;
use crate::memory::Memory;
use crate::plan::Idle;
use crate::server_process::ServerProcess;
use crate::servers;

/// How much of the progress one server is.
pub(super) const STEPS: usize = 100;

/// What was measured of some number of silent connections.
#[derive(Debug)]
pub(crate) struct IdleResult {
    pub(crate) idle: &'static Idle,
    pub(crate) connections: usize,
    pub(crate) servers: Vec<IdleServer>,
}

/// All in bytes.
#[derive(Debug)]
pub(crate) struct IdleServer {
    pub(crate) server: &'static str,
    /// Over how many processes the connections were spread.
    pub(crate) processes: usize,
    /// User memory for each connection, when all had been served once.
    pub(crate) served: f64,
    /// The same, after a while without a byte.
    pub(crate) at_rest: f64,
    /// What was resident in all, at rest.
    pub(crate) resident: u64,
}

impl Runs<'_> {
    pub(super) fn idle(
        &self,
        idle: &'static Idle,
        failures: &mut Vec<String>,
    ) -> Result<IdleResult> {
        let connections = idle.connections / if self.options.short { 5 } else { 1 };
        let mut servers = Vec::new();
        for server in self.present(idle.servers) {
            self.progress.now(&format!("{} {}", idle.name, servers::title(server)));
            match self.silence(connections, server) {
                Ok(result) => {
                    self.progress.say(&format!(
                        "    {:27} {:8.0} bytes a connection, {:8.0} at rest",
                        servers::title(server),
                        result.served,
                        result.at_rest,
                    ));
                    servers.push(result);
                }
                Err(error) => self.note(failures, idle.name, server, &error),
            }
            self.progress.step(STEPS);
        }
        Ok(IdleResult { idle, connections, servers })
    }

    /// Connects, has each connection served once, measures, waits, measures, and has each served
    /// again: none may have been lost.
    fn silence(&self, connections: usize, server: &'static str) -> Result<IdleServer> {
        let shares = shares(connections, connections_of_a_process()?);
        let mut processes = Vec::new();
        let mut before = Memory::default();
        for _ in &shares {
            let process = ServerProcess::start(
                server,
                &self.options.python,
                self.cores,
                Placement::Everywhere,
                false,
            )?;
            // What is done once, at the first connection, is not what a connection costs.
            let mut first =
                Clients::start(Load::Echo { connections: 1, depth: 1 }, process.address)?;
            first.run(1)?;
            first.close()?;
            process.wait_until_it_rests()?;
            before = before + process.memory()?;
            processes.push(process);
        }
        let mut clients = Vec::new();
        for (process, &share) in processes.iter().zip(&shares) {
            let load = Load::Echo { connections: share, depth: 1 };
            let mut those = Clients::start(load, process.address)?;
            those.run(share)?;
            clients.push(those);
        }
        let each =
            |after: Memory| after.user.saturating_sub(before.user) as f64 / connections as f64;
        let served = sum(&processes)?;
        // What hibernates takes a while before it does.
        let is_hurried = self.options.short && !server.ends_with("hibernate");
        let at_rest = rest(&processes, if is_hurried { STEADY / 4 } else { STEADY })?;
        for (those, &share) in clients.iter_mut().zip(&shares) {
            those.run(share)?;
        }
        clients.into_iter().try_for_each(Clients::close)?;
        Ok(IdleServer {
            server,
            processes: processes.len(),
            served: each(served),
            at_rest: each(at_rest),
            resident: at_rest.resident,
        })
    }
}

fn sum(processes: &[ServerProcess]) -> Result<Memory> {
    let mut all = Memory::default();
    for process in processes {
        process.wait_until_it_rests()?;
        all = all + process.memory()?;
    }
    Ok(all)
}

/// Waits until the memory has not become less for some seconds.
fn rest(processes: &[ServerProcess], steady: Duration) -> Result<Memory> {
    let begin = Instant::now();
    let mut least = sum(processes)?;
    let mut since = Instant::now();
    while since.elapsed() < steady && begin.elapsed() < REST_LIMIT {
        std::thread::sleep(Duration::from_millis(500));
        let now = sum(processes)?;
        if now.user < least.user - least.user / 100 {
            since = Instant::now();
        }
        if now.user < least.user {
            least = now;
        }
    }
    Ok(least)
}

/// How many connections a process can have open, with some descriptors for itself.
fn connections_of_a_process() -> Result<usize> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(limit)?.saturating_sub(100).max(1))
}

/// As equal as can be, and none above `limit`.
fn shares(connections: usize, limit: usize) -> Vec<usize> {
    let processes = connections.div_ceil(limit);
    (0..processes).map(|index| (connections + index) / processes).collect()
}

const STEADY: Duration = Duration::from_secs(4);
const REST_LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn no_process_gets_more_than_it_can_hold() {
        assert_eq!(shares(10_000, 19_900), [10_000]);
        let several = shares(100_000, 19_900);
        assert_eq!(several.iter().sum::<usize>(), 100_000);
        assert!(several.iter().all(|&share| share <= 19_900), "{several:?}");
        assert_eq!(several.len(), 6);
        assert_eq!(shares(7, 3), [2, 2, 3]);
    }
}
