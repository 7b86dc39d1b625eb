//! How many coroutines one process can hold, and what each of them costs.

use std::process::Command;
use std::time::Duration;

use super::Runs;
use crate::child::Child;
use crate::cpu::Placement;
use crate::memory::Memory;
use crate::{Result, THIS_PROGRAM};

/// How much of the progress it is.
pub(super) const STEPS: usize = 200;

/// The name that `--only` knows.
pub(crate) const NAME: &str = "parked";

/// How many there are to be, in one process.
pub(crate) const WANTED: usize = 1_000_000;

/// What came of it.
#[derive(Debug)]
pub(crate) struct ParkedResult {
    pub(crate) wanted: usize,
    /// How many slept when the last had begun.
    pub(crate) parked: usize,
    /// How many woke up when it was time.
    pub(crate) woken: usize,
    /// How long it took to begin them all.
    pub(crate) began_in: Duration,
    /// Bytes of user memory for each.
    pub(crate) each: f64,
}

impl Runs<'_> {
    pub(super) fn parked(&self) -> Result<ParkedResult> {
        self.cores.be_client(Placement::Everywhere)?;
        let wanted = if self.options.short { WANTED / 10 } else { WANTED };
        self.progress.now(&format!("{wanted} coroutines, parked"));
        let nap = if self.options.short { "4" } else { "40" };
        let mut command = Command::new(THIS_PROGRAM);
        command.args(["parked", &wanted.to_string(), nap]);
        let mut child = Child::spawn(command)?;
        let line = child.line(LIMIT)?;
        let (took, parked) = line.split_once(' ').ok_or("it did not say how many are parked")?;
        // What the process itself takes is not worth telling beside so many.
        let memory = Memory::of(child.pid())?;
        let result = ParkedResult {
            wanted,
            parked: parked.parse()?,
            woken: child.line(LIMIT)?.parse()?,
            began_in: Duration::from_nanos(took.parse()?),
            each: memory.user as f64 / wanted as f64,
        };
        self.progress.step(STEPS);
        Ok(result)
    }
}

const LIMIT: Duration = Duration::from_secs(120);
