//! What a request costs a server: CPU time, ours beside the peers that do the same work.
//!
//! `bench help` tells the options, `README.md` what is measured and how to read it.

#![deny(unsafe_code)]

mod cpu;
mod load;
mod options;
mod output;
mod plan;
mod report;
mod run;
mod serve;
mod server_process;
mod statistics;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use nix::sys::prctl;

use crate::cpu::Cores;
use crate::options::{Command, HELP, Options};
use crate::report::Report;
use crate::run::{Runs, progress};
use crate::serve::python;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let outcome = Options::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    outcome.unwrap_or_else(|error| {
        progress(&format!("bench: {error}"));
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    match &options.command {
        Command::Run => return compare(options),
        Command::Help => write!(io::stdout(), "{HELP}")?,
        Command::Serve { server } => serve::serve(server, &options.python, options.for_seconds)?,
        Command::Load { load, address } => {
            let mut session = load.open(*address)?;
            let took = session.run(options.requests)?;
            session.close()?;
            let rate = options.requests as f64 / took.as_secs_f64();
            writeln!(io::stdout(), "{rate:.0} requests/s, every reply as it should be")?;
        }
        Command::Shutdown { server, rounds } => serve::shutdown(server, *rounds)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that was asked for, and the report.
fn compare(options: &Options) -> Result<ExitCode> {
    let python = python::version(&options.python);
    let runs = Runs { options, cores: Cores::find()?, has_python: python.is_some() };
    let heading = report::heading(&runs, python.as_deref());
    progress(heading.trim_end());
    // A server that is killed leaves its children to this process, which counts them.
    prctl::set_child_subreaper(true)?;

    let cases = runs.cases()?;
    let report = Report::new(&cases, &runs.shutdown()?);
    if report.markdown.is_empty() {
        return Err(format!("no load is named {:?}; see `bench help`", options.only).into());
    }
    let text = heading + report.markdown.trim_end();
    writeln!(io::stdout(), "\n{text}")?;
    if let Some(path) = &options.markdown {
        std::fs::write(path, text + "\n")?;
    }
    let failed = options.check && report.missed > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
