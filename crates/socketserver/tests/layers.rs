//! The modules of the crate are layers: each uses those below it, and none above.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom to the top. Modules of one layer may use each other.
const LAYERS: [&[&str]; 6] = [
    &["address", "control", "error", "observe", "wait"],
    &["mixin", "transport"],
    &["handler"],
    &["hooks"],
    &["server"],
    &["lib", "manual"],
];

/// A use of one module by another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    file: String,
    by: String,
    of: String,
}

/// The layer of a module, by its first name.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The module that a file belongs to: `handler`, for `handler/rfile.rs`.
fn module_of(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The first names of the modules that a source uses through `crate::`, wherever in it, but not in
/// its comments; of a name that is not a module's, such as `crate::Server`, the one it comes from.
fn modules_used(source: &str, exported: &BTreeMap<String, String>) -> Vec<String> {
    // Tests of a module's own may use all of the crate.
    let source = source.split("#[cfg(test)]").next().unwrap();
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        // `$crate::`, and names that end in "crate".
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || "_$".contains(before)) {
            continue;
        }
        let rest = &code[at + found.len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            // `crate::{a::B, c}`
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let end = |c: char| !c.is_alphanumeric() && c != '_';
            let name = name.trim_start().split(end).next().unwrap();
            if !name.is_empty() {
                let module = exported.get(name).cloned().unwrap_or_else(|| name.to_owned());
                used.push(module);
            }
        }
    }
    used
}

/// What `lib.rs` exports from which module: `Server` from `server`.
fn exported(lib: &str) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for (_, statement) in lib.match_indices("pub use crate::").map(|(at, found)| {
        let rest = &lib[at + found.len()..];
        (at, rest.split(';').next().unwrap())
    }) {
        let (module, names) = statement.split_once("::").unwrap();
        for name in names.trim_matches(['{', '}', '\n', ' ']).split(',') {
            exported.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    exported
}

/// Those of `uses` that go upwards.
fn upwards(uses: &[Use]) -> Vec<&Use> {
    let is_upwards = |it: &&Use| layer(&it.of) > layer(&it.by);
    uses.iter().filter(is_upwards).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn uses() -> Vec<Use> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exported = exported(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    assert!(exported.len() > 20, "{exported:?}");
    let mut uses = Vec::new();
    for path in sources(&folder) {
        let file = path.strip_prefix(&folder).unwrap();
        let by = module_of(file);
        for of in modules_used(&fs::read_to_string(&path).unwrap(), &exported) {
            uses.push(Use { file: file.display().to_string(), by: by.clone(), of });
        }
    }
    uses
}

/// What is above may change without what is below.
#[test]
fn no_module_uses_one_above_it() {
    let uses = uses();
    assert!(uses.len() > 50, "only {} uses were found", uses.len());
    let upwards = upwards(&uses);
    assert!(upwards.is_empty(), "{upwards:#?}");
}

/// A new module is given a layer.
#[test]
fn every_module_has_a_layer() {
    for Use { file, by, of } in uses() {
        for module in [&by, &of] {
            assert!(layer(module).is_some(), "{module} in {file} has none");
        }
    }
}

/// The test itself sees what it is to see.
#[test]
fn an_import_upwards_is_found() {
    let exported = exported("pub use crate::server::{Background,\n    Server};\n");
    let source = "use crate::address::Address; // crate::nothing\n\
                  /// [`x`](crate::hooks::X)\n\
                  fn f(x: crate::Server) { $crate::no!() }\n\
                  use crate::{error::Result, hooks};\n\
                  #[cfg(test)] mod tests { use crate::server::Y; }\n";
    let used = modules_used(source, &exported);
    assert_eq!(used, ["address", "nothing", "server", "error", "hooks"]);
    let by = |by: &str, of: &str| Use { file: by.into(), by: by.into(), of: of.into() };
    let uses = [by("hooks", "server"), by("server", "hooks"), by("transport", "mixin")];
    assert_eq!(upwards(&uses), [&uses[0]]);
}
