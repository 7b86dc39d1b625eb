//! Which plots there are: one for each load.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::plot::{Bar, Kind, bars};
use crate::run::Results;
use crate::servers;
use crate::statistics::Spread;

/// Writes `<name>.svg` for each load into the folder.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    fs::create_dir_all(folder)?;
    for result in results.cases.iter().filter(|result| !result.servers.is_empty()) {
        let all = result.servers.iter().filter_map(|server| {
            Some(bar(server.server, Spread::of(server.cpu_us.iter().copied())?))
        });
        let subtitle = "server CPU time per request in µs: median, least and greatest; \
                        shorter is better";
        let svg = bars(result.title, subtitle, all.collect(), 2);
        fs::write(folder.join(format!("{}.svg", result.name)), svg)?;
    }
    for result in results.idle.iter().filter(|result| !result.servers.is_empty()) {
        let all = result.servers.iter().map(|server| {
            // From what it is at rest to what it was when all had been served.
            let (rest, served) = (server.at_rest, server.served);
            let value = Spread { median: rest, min: rest.min(served), max: rest.max(served) };
            bar(server.server, value)
        });
        let title = format!("{} silent connections", result.connections);
        let subtitle = "bytes of user memory per connection at rest, with what it was before; \
                        shorter is better";
        let svg = bars(&title, subtitle, all.collect(), 0);
        fs::write(folder.join(format!("{}.svg", result.idle.name)), svg)?;
    }
    Ok(())
}

fn bar(server: &str, value: Spread) -> Bar {
    let kind = match server {
        _ if servers::is_ours(server) => Kind::Ours,
        "epoll-loop" | "uring-loop" | "by-hand-udp" => Kind::Limit,
        _ => Kind::Peer,
    };
    Bar { label: servers::title(server).to_owned(), value, kind }
}
