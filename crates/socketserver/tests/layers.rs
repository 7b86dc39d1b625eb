//! Imports go down: the table of layers in ARCHITECTURE.md, held to its word.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, level by level, lowest first. `sys` is a crate, below all of them.
const LEVELS: [&[&str]; 6] = [
    &["address"],
    &["error", "control", "observe"],
    &["transport", "mixin"],
    &["handler"],
    &["hooks"],
    &["server"],
];

/// Modules that may import from another on their own level.
const SIDEWAYS: [(&str, &str); 1] = [("observe", "error")];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules that a source names by `crate::`, comments apart.
fn imports(source: &str) -> BTreeSet<String> {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join("\n");
    let paths = code.split("crate::").skip(1);
    paths
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn modules_import_from_the_levels_below_them_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = Path::new(inside.components().next().unwrap().as_os_str());
        let module = first.file_stem().unwrap().to_string_lossy().into_owned();
        if ["lib", "manual"].contains(&module.as_str()) {
            continue;
        }
        let Some(own) = level(&module) else {
            wrong.push(format!("{module} has no level"));
            continue;
        };
        for import in imports(&fs::read_to_string(file).unwrap()) {
            let is_below = level(&import).is_some_and(|theirs| theirs < own);
            let is_sideways = SIDEWAYS.contains(&(&module, &import));
            if import != module && !is_below && !is_sideways {
                wrong.push(format!("{} imports from {import}", inside.display()));
            }
        }
        seen.insert(module);
    }
    assert_eq!(wrong, [] as [String; 0]);
    let levels = LEVELS.concat().into_iter().map(str::to_owned);
    assert_eq!(seen, levels.collect(), "the levels name the modules that there are");
}
