//! The lines that a server writes, as they come in.

use std::io::BufRead;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::scenario::{Event, MixIn};

/// One line: where it happened, for which request, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `main`, `loop`, `worker`, `child`, or the command that it is part of.
    pub place: String,
    /// The request's number, from 1.
    pub request: Option<u32>,
    /// The hook's name, perhaps with what became of it.
    pub event: String,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let place = words.next()?.to_owned();
        let request = match words.next()? {
            "-" => None,
            number => Some(number.parse().ok()?),
        };
        let event = words.next()?.to_owned();
        Some(Self { place, request, event })
    }
}

/// All lines so far, filled by one thread and waited on by another.
#[derive(Debug, Default)]
pub struct Trace {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    ended: bool,
}

impl Trace {
    /// Takes lines until every process that holds the other end has ended.
    ///
    /// # Panics
    ///
    /// On a line that is not of the trace: both servers are part of this crate.
    pub fn fill(&self, from: impl BufRead) {
        for text in from.lines().map_while(Result::ok) {
            let line = Line::parse(&text).unwrap_or_else(|| panic!("not a trace line: {text:?}"));
            self.state().lines.push(line);
            self.changed.notify_all();
        }
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.state().lines.clone()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.state().lines.len()
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until `seen` says so of the lines. Returns what it said last.
    pub fn wait(&self, patience: Duration, mut seen: impl FnMut(&[Line]) -> bool) -> bool {
        self.wait_state(patience, |state| seen(&state.lines) || state.ended);
        seen(&self.state().lines)
    }

    /// Waits until all writers are gone. Returns whether they are.
    pub fn wait_end(&self, patience: Duration) -> bool {
        self.wait_state(patience, |state| state.ended)
    }

    fn wait_state(&self, patience: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if done(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `event` is among `lines`, of which those up to `since` are old.
pub fn seen(event: Event, lines: &[Line], since: usize, mixin: MixIn) -> bool {
    match event {
        Event::Line(name, times) => lines.iter().filter(|line| is(line, name)).count() >= times,
        Event::Of(request, name) => {
            lines.iter().any(|line| line.request == Some(request) && is(line, name))
        }
        Event::Over(request) => over(request, lines, mixin),
        Event::Passes(passes) => {
            lines[since..].iter().filter(|line| line.event == "~pass").count() >= passes
        }
    }
}

/// Where `event` first is among `lines`.
pub fn position(event: Event, lines: &[Line], mixin: MixIn) -> Option<usize> {
    (0..lines.len()).find(|&at| seen(event, &lines[..=at], 0, mixin))
}

/// `name` alone also stands for each way that the call may have ended: `close.` for
/// `close.returned` and `close.raised:fault`.
fn is(line: &Line, name: &str) -> bool {
    line.event == name || (name.ends_with('.') && line.event.starts_with(name))
}

/// Whether the request has been closed by all who have it. One that was handed to a thread or
/// to a coroutine is that one's; one that was forked is the child's, and the loop's copy is closed too.
fn over(request: u32, lines: &[Line], mixin: MixIn) -> bool {
    let events_of = |place: &'static str| {
        let of_request = lines.iter().filter(move |line| line.request == Some(request));
        of_request.filter(move |line| line.place == place).map(|line| line.event.as_str())
    };
    let closed_in = |place| events_of(place).any(|event| event == "~closed");
    // The loop shuts down what it has not handed on, and no more than closes what it has.
    let mut ends = events_of("loop")
        .filter(|event| ["shutdown_request", "close_request", "~closed"].contains(event));
    match ends.next() {
        None => mixin.of_python() == MixIn::Threading && closed_in("worker"),
        Some("close_request") => {
            closed_in("loop") && (mixin != MixIn::Forking || closed_in("child"))
        }
        Some(_) => closed_in("loop"),
    }
}
