//! CPython's servers, run by whatever interpreter is there.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::Result;

/// Becomes the interpreter; returns only if that fails.
pub(super) fn exec(python: &str, arguments: &[&str]) -> Result<()> {
    Err(command(python, arguments).exec().into())
}

/// The peers' script with these arguments.
pub(crate) fn command(python: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", include_str!("../../peers/cpython.py")]).args(arguments);
    command
}

/// The version of the interpreter, if there is one that has `socketserver`.
pub(crate) fn version(python: &str) -> Option<String> {
    let code = "import socketserver, platform; print(platform.python_version())";
    let output = Command::new(python).args(["-c", code]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !version.is_empty()).then_some(version)
}
