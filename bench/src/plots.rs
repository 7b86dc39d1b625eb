//! Which plots there are: one for each load.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::plot::{Bar, Kind, Row, bars, overview};
use crate::run::{CaseResult, Results};
use crate::servers;
use crate::statistics::Spread;

/// Writes `<name>.svg` for each load into the folder.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    fs::create_dir_all(folder)?;
    if let Some(svg) = at_a_glance(&results.cases) {
        fs::write(folder.join("overview.svg"), svg)?;
    }
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

/// The servers of the overview, ours first.
const OVERVIEW: [(&str, &str); 7] = [
    ("coroutine-io_uring", "coroutines, io_uring"),
    ("coroutine-epoll", "coroutines, epoll"),
    ("tokio", "tokio"),
    ("go", "Go"),
    ("may", "may"),
    ("std-thread", "std threads"),
    ("cpython-threading", "CPython threads"),
];

/// Whatever was put on the loop by hand too, as multiples of it; `None` if that is nothing.
fn at_a_glance(cases: &[CaseResult]) -> Option<String> {
    let rows: Vec<Row> = cases.iter().filter_map(row).collect();
    let legend = OVERVIEW.map(|(_, name)| name);
    let title = "CPU time per request, as a multiple of a hand-written epoll loop";
    let subtitle = "medians of the ratios within a repetition; further left is better";
    (!rows.is_empty()).then(|| overview(title, subtitle, &legend, &rows))
}

fn row(case: &CaseResult) -> Option<Row> {
    let cpu = |name: &str| {
        let server = case.servers.iter().find(|server| server.server == name)?;
        Some(server.cpu_us.as_slice())
    };
    let by_hand = cpu("epoll-loop")?;
    let dots = OVERVIEW.iter().enumerate().filter_map(|(index, (name, _))| {
        Some((index, Spread::of_pairs(cpu(name)?, by_hand)?.median))
    });
    let dots: Vec<_> = dots.collect();
    (!dots.is_empty()).then(|| Row { label: case.title.to_owned(), dots })
}

fn bar(server: &str, value: Spread) -> Bar {
    let kind = match server {
        _ if servers::is_ours(server) => Kind::Ours,
        "epoll-loop" | "uring-loop" | "by-hand-udp" => Kind::Limit,
        _ => Kind::Peer,
    };
    Bar { label: servers::title(server).to_owned(), value, kind }
}
