//! `parity` runs every scenario against Python and against ours, and tells where they differ.
//! `parity serve ...` is our half of it; see `python/serve.py` for the other.

mod ours;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, thread};

use parity::differences::{INTENDED, Intended, LEFT_OUT, LeftOut};
use parity::run::{Comparison, faults, run_all};
use parity::scenario::Scenario;
use parity::server::{Side, Start};
use parity::{pattern, product, python};

const USAGE: &str = "\
usage: parity [--only PATTERN] [--jobs N] [--verbose]
       parity list [--only PATTERN]
       parity differences [--only PATTERN]
       parity serve TRANSPORT MIXIN BEHAVIOUR

A PATTERN is over names such as tcp/threading/normal/serve_forever: `*` stands for anything in one
part, `|` parts alternatives, and parts that are left out are free. PARITY_PYTHON names another
Python than python3.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("serve") => ours::serve(&arguments[1..]).map(|()| true),
        Some("list") => Options::parse(&arguments[1..]).and_then(|options| list(&options)),
        Some("differences") => {
            Options::parse(&arguments[1..]).and_then(|options| differences(&options))
        }
        _ => Options::parse(&arguments).and_then(|options| compare(&options)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "parity: {error}");
            ExitCode::from(2)
        }
    }
}

struct Options {
    only: String,
    jobs: usize,
    verbose: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> io::Result<Self> {
        let mut options = Self { only: "*".to_owned(), jobs: jobs(), verbose: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| io::Error::other(USAGE));
            match argument.as_str() {
                "--only" => options.only.clone_from(value()?),
                "--jobs" => {
                    options.jobs = value()?.parse().map_err(|_| io::Error::other(USAGE))?;
                }
                "--verbose" => options.verbose = true,
                _ => return Err(io::Error::other(USAGE)),
            }
        }
        Ok(options)
    }

    fn scenarios(&self) -> io::Result<Vec<Scenario>> {
        let mut scenarios = product::scenarios();
        scenarios.retain(|scenario| pattern::matches_path(&self.only, &scenario.name()));
        if scenarios.is_empty() {
            return Err(io::Error::other(format!("no scenario is called {:?}", self.only)));
        }
        Ok(scenarios)
    }

    /// The entries of the list that the chosen scenarios can show.
    fn intended(&self, scenarios: &[Scenario]) -> Vec<Intended> {
        let is_shown =
            |entry: &&Intended| scenarios.iter().any(|scenario| entry.covers(&scenario.name()));
        let all = self.only == "*";
        INTENDED.iter().filter(|entry| all || is_shown(entry)).copied().collect()
    }
}

/// Scenarios wait more than they work.
fn jobs() -> usize {
    thread::available_parallelism().map_or(4, |cores| cores.get() * 2)
}

fn list(options: &Options) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for scenario in options.scenarios()? {
        writeln!(out, "{}", scenario.name())?;
    }
    Ok(true)
}

fn differences(options: &Options) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let scenarios = options.scenarios()?;
    for LeftOut { scenarios, at, event, number, why } in LEFT_OUT {
        writeln!(out, "{number}: {why}")?;
        writeln!(out, "    in {}, at {at}: left out: {event}", scenarios.join(", "))?;
    }
    for entry in options.intended(&scenarios) {
        let count = scenarios.iter().filter(|one| entry.covers(&one.name())).count();
        let Intended { scenarios, at, python, ours, number, why } = entry;
        writeln!(out, "{number}: {why}")?;
        writeln!(out, "    in {count} scenarios: {}", scenarios.join(", "))?;
        writeln!(out, "    {at}: Python: {python} | ours: {ours}")?;
    }
    Ok(true)
}

fn compare(options: &Options) -> io::Result<bool> {
    let Some(python) = python::find() else {
        writeln!(io::stderr(), "parity: SKIPPED, nothing compared: there is no python3 here")?;
        return Ok(true);
    };
    let ours = Side {
        name: "ours".to_owned(),
        start: Start::Program(vec![env::current_exe()?, PathBuf::from("serve")]),
        patient: true,
        has_coroutines: true,
    };
    let scenarios = options.scenarios()?;
    let start = Instant::now();
    let comparisons = run_all(&scenarios, &python, &ours, options.jobs)?;
    let intended = options.intended(&scenarios);
    let faults = faults(&comparisons, &intended);

    let mut out = io::stdout().lock();
    if options.verbose {
        for comparison in &comparisons {
            tell(&mut out, comparison)?;
        }
    }
    for fault in &faults {
        writeln!(out, "FAULT {fault}")?;
    }
    let agree = comparisons.iter().filter(|one| one.differences.is_empty()).count();
    writeln!(
        out,
        "{} scenarios against {}: {agree} agree, {} differ as {} entries of \
         the list say, {} faults; {:.1} s",
        comparisons.len(),
        python.name,
        comparisons.len() - agree,
        intended.len(),
        faults.len(),
        start.elapsed().as_secs_f64(),
    )?;
    Ok(faults.is_empty())
}

fn tell(out: &mut impl Write, comparison: &Comparison) -> io::Result<()> {
    writeln!(out, "{}", comparison.name)?;
    for (side, run) in [("Python", &comparison.python), ("ours", &comparison.ours)] {
        for (actor, events) in &run.outcome.traces {
            writeln!(out, "  {side:<6} {actor}: {}", events.join(" "))?;
        }
        for (fact, value) in &run.outcome.facts {
            writeln!(out, "  {side:<6} {fact}: {value}")?;
        }
    }
    Ok(())
}
