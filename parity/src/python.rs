//! Finds the Python to compare with.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::nursery::Nursery;
use crate::server::{Side, Start};

/// The Python named by `PARITY_PYTHON`, or else `python3`; `None` if it cannot be run or has no
/// `fork`.
pub fn find() -> Option<Side> {
    let python = env::var_os("PARITY_PYTHON").unwrap_or_else(|| "python3".into());
    // What is on the path may be a script that looks for the real one at every start.
    let output = Command::new(&python).args([FLAGS, &["-c", WHICH]].concat()).output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    let (version, executable) = output.trim_end().split_once(' ')?;
    side(version, executable.into()).ok()
}

fn side(version: &str, executable: PathBuf) -> io::Result<Side> {
    let script = [env!("CARGO_MANIFEST_DIR"), "python", "nursery.py"].iter().collect();
    let flags = FLAGS.iter().map(PathBuf::from);
    let command: Vec<_> = [executable].into_iter().chain(flags).chain([script]).collect();
    Ok(Side {
        name: format!("Python {version}"),
        start: Start::Nursery(Arc::new(Nursery::new(&command)?)),
        patient: false,
        has_coroutines: false,
    })
}

/// No site, no environment, no files left behind.
const FLAGS: &[&str] = &["-S", "-E", "-B"];
const WHICH: &str = "import os, sys; os.fork; print(sys.version.split()[0], sys.executable)";
