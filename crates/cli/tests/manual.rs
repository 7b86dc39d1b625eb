//! The help, the manual page and the completions.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{command, is_installed, run};

/// The options of the command, as its help has them.
fn options(help: &str) -> Vec<&str> {
    let words = help.split(|c: char| c.is_whitespace() || c == ',');
    let mut options: Vec<_> =
        words.filter(|word| word.starts_with("--") && word.len() > 2).collect();
    options.sort_unstable();
    options.dedup();
    options
}

/// What a program writes for `input`, and that it succeeds.
fn filter(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_and_version_are_no_errors() {
    let (code, short) = run(["-h"]);
    assert_eq!(code, 0);
    assert!(short.contains("Usage: socketserver"), "{short}");
    let (code, long) = run(["--help"]);
    assert_eq!(code, 0);
    for section in ["ENDPOINTS", "PROTOCOLS", "PROGRAMS", "SIGNALS", "EXIT STATUS", "EXAMPLES"] {
        assert!(long.contains(&format!("{section}:")), "{section}");
    }
    let (code, version) = run(["--version"]);
    assert_eq!((code, version.trim()), (0, concat!("socketserver ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_page_has_every_option_and_is_well_formed() {
    let (code, page) = run(["--man"]);
    assert_eq!(code, 0);
    let (_, help) = run(["--help"]);
    let plain = page.replace("\\-", "-");
    for option in options(&help) {
        assert!(plain.contains(option), "{option}");
    }
    if is_installed("groff") {
        let shown = filter("groff", &["-man", "-Tascii", "-P-cbou", "-ww"], &page);
        assert!(shown.contains("EXIT STATUS"));
    }
}

#[test]
fn completions_are_what_their_shells_understand() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script) = run(["--completions", shell]);
        assert_eq!(code, 0);
        assert!(script.contains("protocol") && script.contains("chargen"), "{shell}");
        if is_installed(shell) {
            filter(shell, &["-n", "/dev/stdin"], &script);
        }
    }
}

/// Whoever reads may have had enough, as `head` has.
#[test]
fn a_closed_standard_output_is_no_error() {
    for args in [&["--man"][..], &["--completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command().args(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{:?}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

/// Every flag and every exit code is in what the registry shows.
#[test]
fn the_readme_has_every_flag_and_exit_code() {
    let readme = include_str!("../README.md");
    let (_, help) = run(["-h"]);
    for option in options(&help) {
        assert!(readme.contains(&format!("`{option}")), "{option}");
    }
    for code in [0, 1, 2, 100, 111] {
        assert!(readme.contains(&format!("| {code} |")), "{code}");
    }
}
