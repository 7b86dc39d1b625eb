//! The whole comparison, and that it would find a server out that does something else.

use std::io::{self, Write};
use std::process::Command;

use parity::compare::compare;
use parity::differences::Intended;
use parity::driver::run;
use parity::run::{Comparison, faults};
use parity::scenario::{Scenario, Transport, Via};
use parity::server::Side;
use parity::{product, python};

#[test]
fn every_scenario_goes_as_with_python_or_as_the_list_says() {
    let status = Command::new(env!("CARGO_BIN_EXE_parity")).status().expect("it is built");
    assert!(status.success(), "see the faults above");
}

#[test]
fn another_behaviour_is_found_out_in_every_server() {
    let Some(python) = python_or_notice() else {
        return;
    };
    for scenario in normal() {
        let other = Scenario { behaviour: "verify_request=false".to_owned(), ..scenario.clone() };
        let one = comparison(&python, &scenario, &other);
        assert!(!faults(&[one], &[]).is_empty(), "{}", scenario.name());
    }
}

#[test]
fn the_same_behaviour_is_not_found_fault_with() {
    let Some(python) = python_or_notice() else {
        return;
    };
    for scenario in normal() {
        let one = comparison(&python, &scenario, &scenario);
        assert_eq!(faults(&[one], &[]), [] as [String; 0], "{}", scenario.name());
    }
}

#[test]
fn a_listed_difference_is_no_fault_until_it_no_longer_occurs() {
    let Some(python) = python_or_notice() else {
        return;
    };
    let scenario = &normal()[0];
    let other = Scenario { behaviour: "handle=read_line".to_owned(), ..scenario.clone() };
    let listed = [Intended {
        scenarios: &["tcp/synchronous/normal"],
        at: "client a",
        python: "\"hello\\n\", then end",
        ours: "\"\", then end",
        number: "-",
        why: "for the sake of this test",
    }];
    let differs = comparison(&python, scenario, &other);
    assert_eq!(faults(&[differs], &listed), [] as [String; 0]);
    let agrees = comparison(&python, scenario, scenario);
    assert_eq!(faults(&[agrees], &listed).len(), 1);
    assert_eq!(faults(&[], &listed).len(), 1, "listed for a scenario that there is not");
}

#[test]
fn a_server_that_does_not_start_is_a_fault_and_not_a_difference_of_both() {
    let Some(python) = python_or_notice() else {
        return;
    };
    let scenario = &normal()[0];
    let broken = Scenario { behaviour: "nonsense".to_owned(), ..scenario.clone() };
    let one = comparison(&python, &broken, &broken);
    assert_eq!(faults(&[one], &[]).len(), 2, "one for each side");
}

/// One scenario for each server and each mix-in of Python's.
fn normal() -> Vec<Scenario> {
    let mut scenarios = product::scenarios();
    scenarios.retain(|one| one.situation == "normal" && one.via == Via::ServeForever);
    scenarios.retain(|one| !one.mixin.is_coroutine());
    assert_eq!(scenarios.len(), Transport::ALL.len() * 3);
    scenarios
}

/// Python's outcome of one scenario against Python's outcome of another.
fn comparison(python: &Side, one: &Scenario, other: &Scenario) -> Comparison {
    let run = |scenario| run(python, scenario).expect("Python starts");
    let (one_run, other_run) = (run(one), run(other));
    let differences = compare(&one_run.outcome, &other_run.outcome);
    Comparison { name: one.name(), python: one_run, ours: other_run, differences, left_out: vec![] }
}

fn python_or_notice() -> Option<Side> {
    let python = python::find();
    if python.is_none() {
        // Not `eprintln!`, which nobody would see.
        let _ = writeln!(io::stderr(), "SKIPPED: there is no python3 here");
    }
    python
}
