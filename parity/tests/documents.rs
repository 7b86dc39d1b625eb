//! The project's documents agree with each other and with the tree.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The documents whose links are looked at.
const DOCUMENTS: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
    "bench/README.md",
    "crates/socketserver/README.md",
    "parity/CONTRACT.md",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn links_lead_to_files_that_exist() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let folder = repository().join(document).parent().unwrap().to_owned();
        let text = read(document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !folder.join(path).exists() {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert_eq!(broken, [] as [String; 0]);
}

/// The crate's README is compiled with the crate; the project's shows the same program.
#[test]
fn both_readmes_show_the_same_echo_server() {
    let program = |path: &str| {
        let text = read(path);
        let program = text.split("```").nth(1).map(str::to_owned);
        program.unwrap_or_else(|| panic!("{path} shows no program"))
    };
    let shown = program("README.md");
    assert!(shown.contains("serve_forever"), "{shown}");
    assert_eq!(shown, program("crates/socketserver/README.md"));
}

/// Prints the public names of Python's module, of its classes, and of a handler's attributes.
const NAMES: &str = "\
import re, inspect, socketserver as module
names = set(module.__all__)
for name in module.__all__:
    names |= set(vars(getattr(module, name)))
names |= set(re.findall(r'self\\.(\\w+)(?:, self\\.\\w+)* = ', inspect.getsource(module)))
print(*sorted(name for name in names if not name.startswith('_')))
";

/// A1: the page 'From Python' leaves out no name that Python's own module has.
#[test]
fn every_name_of_pythons_is_on_the_page_from_python() {
    let python = env::var_os("PARITY_PYTHON").unwrap_or_else(|| "python3".into());
    let Ok(output) = Command::new(python).args(["-c", NAMES]).output() else {
        // Not `eprintln!`, which nobody would see.
        let _ = writeln!(io::stderr(), "SKIPPED: there is no python3 here");
        return;
    };
    let names = String::from_utf8(output.stdout).expect("names are text");
    assert!(names.contains("verify_request"), "{}", String::from_utf8_lossy(&output.stderr));
    let page = read("crates/socketserver/src/manual/from_python.md");
    let words: Vec<_> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let missing: Vec<_> = names.split_whitespace().filter(|name| !words.contains(name)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

/// What the comparison with CPython is told to expect is what users are told, too.
#[test]
fn every_intended_difference_is_on_the_page_of_differences() {
    let page = read("crates/socketserver/src/manual/differences.md");
    let told: Vec<_> = page.split(|c: char| !c.is_alphanumeric()).collect();
    let numbers = parity::differences::INTENDED.iter().flat_map(|one| one.number.split(", "));
    let untold: Vec<_> = numbers.filter(|number| !told.contains(number)).collect();
    assert_eq!(untold, [] as [&str; 0]);
}
