//! CONTRACT.md, held to its word: every number has a row, every test that is named exists, and
//! every number without a test is listed as a gap.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One line of the tables: a number, and the tests that show it.
#[derive(Debug)]
struct Row {
    number: String,
    /// See [`fault`] for how a test is named.
    tests: Vec<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn contract() -> String {
    let path = repository().join("parity/CONTRACT.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether `text` is a number of the contract, such as `A46`.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['A', 'B']).unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

fn rows(contract: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in contract.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, .., tests, _] = cells.as_slice() else { continue };
        if is_number(number) {
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned);
            rows.push(Row { number: (*number).to_owned(), tests: tests.collect() });
        }
    }
    rows
}

/// The numbers that the section *Gaps* lists, and whether as gaps in part.
fn gaps(contract: &str) -> Vec<(String, bool)> {
    let section = contract.split("\n## Gaps\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let items = section.lines().filter_map(|line| line.strip_prefix("* "));
    let numbered = items.filter_map(|item| item.split_once(':')).map(|(head, _)| head);
    numbered
        .map(|head| match head.strip_suffix(" (in part)") {
            Some(number) => (number.to_owned(), true),
            None => (head.to_owned(), false),
        })
        .collect()
}

/// What is wrong with the name of a test, if anything.
///
/// It is `file.rs::name`, where the file is in the tests of the library unless it begins with
/// `crates/` or `parity/`, and `parity::name` for a scenario of the comparison with CPython.
fn fault(test: &str) -> Option<String> {
    let Some((path, name)) = test.rsplit_once("::") else {
        return Some(format!("`{test}` is not `path::name`"));
    };
    let (path, spellings) = match path {
        "parity" => ("parity/src/situations.rs".to_owned(), [format!("(\"{name}\", ")].to_vec()),
        _ if path.starts_with("crates/") || path.starts_with("parity/") => {
            (path.to_owned(), function(name))
        }
        _ => (format!("crates/socketserver/tests/{path}"), function(name)),
    };
    let Ok(source) = fs::read_to_string(repository().join(&path)) else {
        return Some(format!("there is no file {path}"));
    };
    let is_there = spellings.iter().any(|spelling| source.contains(spelling));
    (!is_there).then(|| format!("{path} has no test {name}"))
}

fn function(name: &str) -> Vec<String> {
    ["(", "<"].map(|next| format!("fn {name}{next}")).to_vec()
}

#[test]
fn every_number_has_one_row() {
    let found: Vec<_> = rows(&contract()).into_iter().map(|row| row.number).collect();
    let a = (1..=95).map(|number| format!("A{number}"));
    let b = (1..=45).map(|number| format!("B{number}"));
    assert_eq!(found, a.chain(b).collect::<Vec<_>>());
}

#[test]
fn every_test_that_is_named_exists() {
    let faults: Vec<_> = rows(&contract())
        .iter()
        .flat_map(|row| row.tests.iter().map(move |test| (&row.number, test)))
        .filter_map(|(number, test)| Some(format!("{number}: {}", fault(test)?)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_number_without_a_test_is_listed_as_a_gap_and_no_other() {
    let contract = contract();
    let rows = rows(&contract);
    let untested: BTreeSet<_> =
        rows.iter().filter(|row| row.tests.is_empty()).map(|row| row.number.clone()).collect();
    let (in_part, whole): (Vec<_>, Vec<_>) =
        gaps(&contract).into_iter().partition(|(_, in_part)| *in_part);
    let whole: BTreeSet<_> = whole.into_iter().map(|(number, _)| number).collect();
    assert_eq!(whole, untested);
    for (number, _) in in_part {
        let is_tested = rows.iter().any(|row| row.number == number && !row.tests.is_empty());
        assert!(is_tested, "{number} is a gap in part, and has no test at all");
    }
}
