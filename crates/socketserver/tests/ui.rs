//! What the compiler says of the usual mistakes, and that what it accepts works.
//!
//! No server is in this process: the programs that are made run in their own, and look there for
//! what they have left. The first time takes a minute, for all that they need is compiled.

use std::process::Command;

/// The compiler whose words are written down beside the mistakes; another may say it otherwise.
const COMPILER: &str = "rustc 1.95.";

/// Each mistake is told in terms of what the programmer wrote, and how to put it right.
///
/// With `TRYBUILD=overwrite` in the environment, what the compiler says now is written down.
#[test]
fn the_usual_mistakes_are_explained() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("there is a compiler");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(COMPILER) {
        eprintln!("skipped: these are the messages of {COMPILER}*, and this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/mistakes/*.rs");
}

/// Programs that compile are run, and check what they do themselves.
#[test]
fn what_the_compiler_accepts_works() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/works/*.rs");
}
