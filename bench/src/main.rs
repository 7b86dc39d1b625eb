//! What a request costs a server: CPU time, ours beside the peers that do the same work.
//!
//! `bench help` tells the options, `README.md` what is measured and how to read it.

#![deny(unsafe_code)]

mod child;
mod clients;
mod cpu;
mod load;
mod memory;
mod options;
mod output;
mod plan;
mod plot;
mod plots;
mod progress;
mod real;
mod report;
mod roster;
mod run;
mod serve;
mod server_process;
mod servers;
mod statistics;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cpu::Cores;
use crate::options::{Command, HELP, Options};
use crate::progress::say;
use crate::report::Report;
use crate::roster::Roster;
use crate::run::Runs;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// What its servers and clients are started from, even if another is built in its place meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

fn main() -> ExitCode {
    let outcome = Options::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    outcome.unwrap_or_else(|error| {
        say(&format!("bench: {error}"));
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    // Every server and every client is started with what is set here.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    match &options.command {
        Command::Run | Command::Clients => return compare(options),
        Command::Help => write!(io::stdout(), "{HELP}")?,
        Command::Servers => list(options)?,
        Command::Serve { server } => serve::serve(server, &options.python, options.for_seconds)?,
        Command::Told { server } => serve::serve_until_told(server)?,
        Command::Drive { load, address } => clients::drive(*load, *address)?,
        Command::Load { load, address } => {
            let mut session = load.open(*address)?;
            let outcome = session.run(options.requests)?;
            session.close()?;
            let rate = options.requests as f64 / outcome.took.as_secs_f64();
            let [p50, p99, p999] =
                [50.0, 99.0, 99.9].map(|percent| outcome.replies.percentile_us(percent));
            writeln!(
                io::stdout(),
                "{rate:.0} requests/s, every reply as it should be\n\
                 p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us"
            )?;
        }
        Command::Parked { count, seconds } => {
            serve::parked::park(*count, Duration::from_secs(*seconds))?;
        }
        Command::Shutdown { server, rounds } => serve::shutdown(server, *rounds)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Every server, and why it cannot run here.
fn list(options: &Options) -> Result<()> {
    let roster = Roster::prepare(options);
    for server in servers::SERVERS {
        let why = roster.missing(server.name).map_or(String::new(), |why| format!(" ({why})"));
        writeln!(io::stdout(), "{:22} {}{why}", server.name, server.title)?;
    }
    Ok(())
}

/// Everything that was asked for, and the report.
fn compare(options: &Options) -> Result<ExitCode> {
    let (cores, roster) = (Cores::find()?, Roster::prepare(options));
    let runs = Runs::new(options, &cores, &roster);
    let heading = report::heading(&runs);
    say(heading.trim_end());
    // A server that is killed leaves its children to this process, which counts them.
    prctl::set_child_subreaper(true)?;

    let is_real = options.command == Command::Clients;
    let results = if is_real { real::all(&runs) } else { runs.all()? };
    drop(runs);
    let report = Report::new(&results, options.write.is_some(), !options.servers.is_empty());
    if report.markdown.is_empty() {
        return Err(format!("no load is named {:?}; see `bench help`", options.only).into());
    }
    let text = format!("# Figures\n\n{heading}{}", report.markdown);
    writeln!(io::stdout(), "\n{}", text.trim_end())?;
    if let Some(folder) = &options.write {
        plots::write(&folder.join("plots"), &results)?;
        let name = if is_real { "CLIENTS.md" } else { "RESULTS.md" };
        write_report(&folder.join(name), &text)?;
    }
    let failed = !results.failures.is_empty() || options.check && report.missed > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Replaces the report, and keeps what was written by hand below it.
fn write_report(path: &Path, text: &str) -> Result<()> {
    let before = fs::read_to_string(path).unwrap_or_default();
    let notes = before.find(NOTES).map_or("", |start| &before[start..]);
    let notes = if notes.is_empty() { format!("{NOTES}\n") } else { notes.to_owned() };
    Ok(fs::write(path, format!("{}\n\n{notes}", text.trim_end()))?)
}

/// What follows it in a report was written by hand.
const NOTES: &str = "<!-- What follows is kept when the figures are written anew. -->";
