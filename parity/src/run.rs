//! Runs scenarios against both sides, several at a time, and judges the differences.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::compare::{Difference, compare, leave_out};
use crate::differences::{Intended, LEFT_OUT, LeftOut};
use crate::driver::{Run, run};
use crate::pattern::{matches, matches_path};
use crate::scenario::Scenario;
use crate::server::Side;

/// What came of one scenario on both sides.
#[derive(Debug)]
pub struct Comparison {
    /// The scenario's name.
    pub name: String,
    /// Python's run.
    pub python: Run,
    /// Ours.
    pub ours: Run,
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// Which entries of [`LEFT_OUT`] something was left out for.
    pub left_out: Vec<&'static LeftOut>,
}

/// Runs all `scenarios` against both sides, `jobs` at a time.
///
/// # Errors
///
/// A server could not be started.
pub fn run_all(
    scenarios: &[Scenario],
    python: &Side,
    ours: &Side,
    jobs: usize,
) -> io::Result<Vec<Comparison>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run_one(scenario, python, ours);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    done.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(done)
}

fn run_one(scenario: &Scenario, python: &Side, ours: &Side) -> io::Result<Comparison> {
    let (python, ours) = (run(python, scenario)?, run(ours, scenario)?);
    let name = scenario.name();
    let mut left_out = Vec::new();
    let mut expected = python.outcome.clone();
    for entry in LEFT_OUT.iter().filter(|entry| entry.covers(&name)) {
        let (rest, any) = leave_out(&expected, &ours.outcome, entry);
        expected = rest;
        left_out.extend(any.then_some(entry));
    }
    let differences = compare(&expected, &ours.outcome);
    Ok(Comparison { name, python, ours, differences, left_out })
}

/// What is wrong with a run: nothing may be.
pub fn faults(comparisons: &[Comparison], intended: &[Intended]) -> Vec<String> {
    let mut faults = Vec::new();
    for Comparison { name, python, ours, differences, .. } in comparisons {
        for (side, run) in [("Python", python), ("ours", ours)] {
            if let Some(why) = &run.outcome.broken {
                faults.push(format!("{name}: {side}: {why}\n{}", run.errors));
            }
        }
        for difference in differences {
            if !intended.iter().any(|entry| entry.covers(name) && entry.tells(difference)) {
                faults.push(format!("{name}: not intended: {difference}"));
            }
        }
    }
    for entry in LEFT_OUT {
        let covered = || comparisons.iter().filter(|one| entry.covers(&one.name));
        // Of a few scenarios none need have it.
        let is_whole = covered().any(|one| one.name.contains("/normal/"));
        if is_whole && !covered().any(|one| one.left_out.iter().any(|it| std::ptr::eq(*it, entry)))
        {
            faults.push(format!("listed but nowhere left out: {entry:?}"));
        }
    }
    for entry in intended {
        let covered: Vec<_> = comparisons.iter().filter(|one| entry.covers(&one.name)).collect();
        if covered.is_empty() {
            faults.push(format!("listed for no scenario: {entry:?}"));
        }
        for one in covered {
            if !one.differences.iter().any(|difference| entry.tells(difference)) {
                faults.push(format!("{}: listed but did not occur: {entry:?}", one.name));
            }
        }
    }
    faults
}

impl LeftOut {
    /// Whether this may be left out in the scenario of that name.
    pub fn covers(&self, name: &str) -> bool {
        self.scenarios.iter().any(|pattern| matches_path(pattern, name))
    }
}

impl Intended {
    /// Whether this is to be seen in the scenario of that name.
    pub fn covers(&self, name: &str) -> bool {
        self.scenarios.iter().any(|pattern| matches_path(pattern, name))
    }

    /// Whether this is the difference.
    pub fn tells(&self, difference: &Difference) -> bool {
        matches(self.at, &difference.at)
            && matches(self.python, &difference.python)
            && matches(self.ours, &difference.ours)
    }
}
