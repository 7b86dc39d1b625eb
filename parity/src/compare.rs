//! Two outcomes of one scenario, and where they differ.

use std::collections::BTreeSet;
use std::fmt;

use crate::differences::LeftOut;
use crate::outcome::Outcome;
use crate::pattern::matches;

/// One difference between two outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The actor whose trace differs, or the fact that does.
    pub at: String,
    /// What only Python does there.
    pub python: String,
    /// What only ours does there.
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: Python: {} | ours: {}", self.at, self.python, self.ours)
    }
}

/// What Python did without what ours leaves out, and whether there was any of it.
pub fn leave_out(python: &Outcome, ours: &Outcome, entry: &LeftOut) -> (Outcome, bool) {
    let mut rest = python.clone();
    let mut any = false;
    for (actor, events) in &mut rest.traces {
        let is_left_out = |event: &String| matches(entry.event, event);
        let ours_has_some =
            ours.traces.get(actor).is_some_and(|events| events.iter().any(is_left_out));
        if matches(entry.at, actor) && !ours_has_some {
            let before = events.len();
            events.retain(|event| !is_left_out(event));
            any |= events.len() < before;
        }
    }
    (rest, any)
}

/// All differences between two outcomes. Of a trace, what both have in the same order is left
/// out.
pub fn compare(python: &Outcome, ours: &Outcome) -> Vec<Difference> {
    let mut differences = Vec::new();
    for actor in python.traces.keys().chain(ours.traces.keys()).collect::<BTreeSet<_>>() {
        let events = |outcome: &Outcome| outcome.traces.get(actor).cloned().unwrap_or_default();
        let (only_python, only_ours) = without_common(&events(python), &events(ours));
        if !only_python.is_empty() || !only_ours.is_empty() {
            differences.push(Difference {
                at: actor.clone(),
                python: only_python.join(" "),
                ours: only_ours.join(" "),
            });
        }
    }
    for fact in python.facts.keys().chain(ours.facts.keys()).collect::<BTreeSet<_>>() {
        let value = |outcome: &Outcome| outcome.facts.get(fact).cloned().unwrap_or_default();
        let (python, ours) = (value(python), value(ours));
        if python != ours {
            differences.push(Difference { at: fact.clone(), python, ours });
        }
    }
    differences
}

/// What is left of two sequences without the longest one that is part of both.
fn without_common(a: &[String], b: &[String]) -> (Vec<String>, Vec<String>) {
    let mut longest = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = if a[i] == b[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            only_a.push(a[i].clone());
            i += 1;
        } else {
            only_b.push(b[j].clone());
            j += 1;
        }
    }
    (only_a, only_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(events: &[&str], received: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let events = events.iter().map(|&event| event.to_owned()).collect();
        outcome.traces.insert("accept loop".to_owned(), events);
        outcome.facts.insert("client a".to_owned(), received.to_owned());
        outcome
    }

    #[test]
    fn equal_outcomes_have_no_difference() {
        let same = outcome(&["get_request", "verify_request"], "\"hello\"");
        assert_eq!(compare(&same, &same), []);
    }

    #[test]
    fn only_what_differs_in_a_trace_is_told() {
        let python = outcome(&["setup", "handle", "finish", "close_request"], "");
        let ours = outcome(&["setup", "handle", "handle_error", "close_request"], "");
        let difference = Difference {
            at: "accept loop".to_owned(),
            python: "finish".to_owned(),
            ours: "handle_error".to_owned(),
        };
        assert_eq!(compare(&python, &ours), [difference]);
    }

    #[test]
    fn a_changed_order_is_a_difference() {
        let python = outcome(&["handle_error", "shutdown_request"], "");
        let ours = outcome(&["shutdown_request", "handle_error"], "");
        assert_eq!(compare(&python, &ours).len(), 1);
    }

    #[test]
    fn what_ours_leaves_out_is_left_out_unless_ours_has_some() {
        let entry = LeftOut {
            scenarios: &["*"],
            at: "accept loop",
            event: "process_request(*)",
            number: "-",
            why: "for the sake of this test",
        };
        let python = outcome(&["get_request(1)", "process_request(1)"], "");
        let without = outcome(&["get_request(1)"], "");
        assert_eq!(leave_out(&python, &without, &entry), (without, true));
        assert_eq!(leave_out(&python, &python, &entry), (python.clone(), false));
    }

    #[test]
    fn an_actor_or_a_fact_that_only_one_has_is_a_difference() {
        let whole = outcome(&["setup"], "\"hello\"");
        assert_eq!(compare(&whole, &Outcome::default()).len(), 2);
        assert_eq!(compare(&Outcome::default(), &whole).len(), 2);
    }
}
