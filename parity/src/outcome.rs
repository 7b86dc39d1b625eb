//! What one run of one server came to, in a form in which two runs can be compared.

use std::collections::BTreeMap;

use crate::trace::Line;

/// What could be seen of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The hooks called, in order, of each actor: the main thread, the accept loop, each
    /// command, and each request that was handled elsewhere. Between actors there is no order.
    pub traces: BTreeMap<String, Vec<String>>,
    /// What was seen by the clients and found by the driver, by name.
    pub facts: BTreeMap<String, String>,
    /// Why the run came to nothing: something had to happen and did not.
    pub broken: Option<String>,
}

impl Outcome {
    /// Adds the lines of a trace.
    pub fn add_trace(&mut self, lines: &[Line]) {
        for line in lines.iter().filter(|line| !line.event.starts_with('~')) {
            let (actor, event) = match (line.place.as_str(), line.request) {
                ("loop", Some(request)) => (LOOP.to_owned(), format!("{}({request})", line.event)),
                ("loop", None) => (LOOP.to_owned(), line.event.clone()),
                (_, Some(request)) => (format!("request {request}"), line.event.clone()),
                (place, None) => (place.to_owned(), line.event.clone()),
            };
            self.traces.entry(actor).or_default().push(event);
        }
    }
}

const LOOP: &str = "accept loop";
