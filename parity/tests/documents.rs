//! The project's documents agree with each other and with the tree.

use std::fs;
use std::path::{Path, PathBuf};

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
