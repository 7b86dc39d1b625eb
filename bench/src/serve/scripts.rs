//! The servers in other languages, run by whatever is there to run them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;
use crate::servers::Needs;

/// Becomes the server of this name; returns only if that fails.
pub(super) fn serve(name: &str, python: &str) -> Result<()> {
    let mut command = match name.split_once('-') {
        Some(("cpython", class)) => cpython(python, &["serve", class]),
        None if name == "gevent" => {
            let mut command = Command::new(python);
            command.args(["-c", include_str!("../../peers/gevent_echo.py")]);
            command
        }
        Some(("go", "2")) => go("tcp", 2)?,
        Some(("go", what)) => go(what, 1)?,
        None if name == "go" => go("tcp", 1)?,
        _ => Command::new(program("fork_loop")?),
    };
    Err(command.exec().into())
}

/// The script of CPython's servers with these arguments.
pub(crate) fn cpython(python: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", include_str!("../../peers/cpython.py")]).args(arguments);
    command
}

fn go(what: &str, threads: usize) -> Result<Command> {
    let mut command = Command::new(program("echo")?);
    command.arg(what).env("GOMAXPROCS", threads.to_string());
    Ok(command)
}

/// Makes what is needed ready to run, and returns its version, or nothing if it is not there.
///
/// # Errors
///
/// If it is there, but cannot build what it should.
pub(crate) fn prepare(needs: Needs, python: &str) -> Result<Option<String>> {
    Ok(match needs {
        Needs::Nothing => Some(String::new()),
        Needs::Peers => cfg!(feature = "peers").then(String::new),
        Needs::Python => {
            let code = "import socketserver, platform; print(platform.python_version())";
            output(Command::new(python).args(["-c", code]))
        }
        Needs::Gevent => {
            output(Command::new(python).args(["-c", "import gevent; print(gevent.__version__)"]))
        }
        Needs::Go => match output(Command::new("go").args(["env", "GOVERSION"])) {
            Some(version) => {
                let source = write("echo.go", include_str!("../../peers/echo.go"))?;
                run(Command::new("go").args(["build", "-o"]).arg(program("echo")?).arg(source))?;
                Some(version.trim_start_matches("go").to_owned())
            }
            None => None,
        },
        Needs::Redis => output(Command::new("redis-server").arg("-v"))
            .and_then(|line| line.split("v=").nth(1)?.split(' ').next().map(str::to_owned)),
        Needs::Examples => {
            crate::real::build_examples()?;
            Some(String::new())
        }
        Needs::C => match output(Command::new("cc").arg("-dumpfullversion")) {
            Some(version) => {
                let source = write("fork_loop.c", include_str!("../../peers/fork_loop.c"))?;
                run(Command::new("cc").args(["-O2", "-o"]).arg(program("fork_loop")?).arg(source))?;
                Some(version)
            }
            None => None,
        },
    })
}

/// Where a program lies that was built from `peers/`: beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.set_file_name("bench-peers");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(name))
}

fn write(name: &str, text: &str) -> Result<PathBuf> {
    let path = program(name)?;
    fs::write(&path, text)?;
    Ok(path)
}

/// The first line of what a command prints, if it is there and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
