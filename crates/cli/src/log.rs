//! What happens, on standard error: a line for people, or a JSON object a line.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use socketserver::observe::{AcceptAction, Event};
use socketserver::{Address, DrainReport, Failure};

use crate::args::LogFormat;
use crate::exit::Fatal;
use crate::handler::WasCut;

/// Where lines go, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// Whether to tell of each connection.
    pub(crate) verbose: bool,
}

/// How much somebody should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// Told only when asked for.
    Debug,
    Info,
    Warning,
    Error,
}

/// One line in JSON. These names and those in [`What`] do not change.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// RFC 3339, in UTC.
    time: &'a str,
    level: Level,
    #[serde(flatten)]
    what: &'a What<'a>,
}

/// What has happened. Times are in milliseconds.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What<'a> {
    /// An endpoint takes clients.
    Listening { endpoint: &'a str },
    /// A connection, or a datagram, begins to be served.
    Started { endpoint: &'a str, client: Shown<'a> },
    /// Its service has ended, and not by a fault of ours.
    Finished { endpoint: &'a str, client: Shown<'a>, elapsed_ms: Millis, outcome: Outcome },
    /// Its service has failed.
    Failed {
        endpoint: &'a str,
        client: Shown<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        elapsed_ms: Option<Millis>,
        error: String,
    },
    /// It was not served: a datagram that came from another such service, say.
    Refused { endpoint: &'a str, client: Shown<'a> },
    /// No client could be taken. Told once a second at the most; `untold` counts the others.
    AcceptError {
        endpoint: &'a str,
        error: String,
        action: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pause_ms: Option<Millis>,
        untold: u64,
    },
    /// A defect of this command.
    HookPanicked { endpoint: &'a str, hook: &'a str },
    /// A signal has come, or an endpoint is lost: no client is taken any more.
    Draining { open: usize, deadline_ms: Millis },
    /// A connection was cut, for the time of the drain was over.
    Cut { endpoint: &'a str, client: Shown<'a>, elapsed_ms: Millis },
    /// All that is to say at the end.
    Drained { finished: usize, cut: usize, unfinished: usize, elapsed_ms: Millis },
    /// Why the command cannot serve, or not any longer.
    Fatal { error: String, code: u8 },
}

/// How a service ended that did not fail.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Complete,
    /// The client went away.
    Disconnected,
    /// The client let `--timeout` pass.
    TimedOut,
    /// The server would not wait any longer.
    Cut,
}

/// An address as text.
#[derive(Clone, Copy, Debug)]
struct Shown<'a>(&'a Address);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// A duration: milliseconds in JSON.
#[derive(Clone, Copy, Debug)]
struct Millis(Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_micros() as f64 / 1000.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{:?}", self.0),
            _ => write!(f, "{:.1?}", self.0),
        }
    }
}

impl Log {
    /// Tells that `endpoint` is being served.
    pub(crate) fn listening(self, endpoint: &str) {
        self.write(Level::Info, &What::Listening { endpoint });
    }

    /// Tells that no client is taken any more, while `open` requests go on.
    pub(crate) fn draining(self, open: usize, deadline: Duration) {
        self.write(Level::Info, &What::Draining { open, deadline_ms: Millis(deadline) });
    }

    /// Tells what became of the requests that went on.
    pub(crate) fn drained(self, report: &DrainReport) {
        let level = if report.is_complete() { Level::Info } else { Level::Warning };
        let what = What::Drained {
            finished: report.finished,
            cut: report.cut.len(),
            unfinished: report.unfinished,
            elapsed_ms: Millis(report.elapsed),
        };
        self.write(level, &what);
    }

    /// Tells why the command ends; also when nothing else is told.
    pub(crate) fn fatal(self, fatal: &Fatal) {
        let what = What::Fatal { error: fatal.to_string(), code: fatal.code };
        match self.format {
            LogFormat::Json => self.write(Level::Error, &what),
            _ => print(&what.to_string()),
        }
    }

    /// Tells of a request that could not even be started.
    pub(crate) fn not_started(self, endpoint: &str, client: &Address, failure: &Failure) {
        let (client, error) = (Shown(client), one_line(failure));
        self.write(Level::Warning, &What::Failed { endpoint, client, elapsed_ms: None, error });
    }

    /// Tells of what the server at `endpoint` has done.
    pub(crate) fn event(self, endpoint: &str, event: &Event<'_>) {
        let (level, what) = match event {
            Event::Started { client_address, .. } => {
                (Level::Debug, What::Started { endpoint, client: Shown(client_address) })
            }
            Event::Finished { client_address, elapsed, failed, .. } => {
                let (client, elapsed_ms) = (Shown(client_address), Millis(*elapsed));
                let failure = failed.map(|failed| &failed.failure);
                match outcome(failure) {
                    Ok(outcome) => {
                        (Level::Debug, What::Finished { endpoint, client, elapsed_ms, outcome })
                    }
                    Err(failure) => {
                        let (elapsed_ms, error) = (Some(elapsed_ms), one_line(failure));
                        (Level::Warning, What::Failed { endpoint, client, elapsed_ms, error })
                    }
                }
            }
            Event::Refused { client_address, .. } => {
                (Level::Debug, What::Refused { endpoint, client: Shown(client_address) })
            }
            Event::AcceptError { error, action, untold, .. } => {
                let (action, pause_ms) = match action {
                    AcceptAction::Continue => ("continue", None),
                    AcceptAction::Shed => ("shed", None),
                    AcceptAction::Pause(pause) => ("pause", Some(Millis(*pause))),
                    _ => ("stop", None),
                };
                let error = one_line(error);
                let untold = *untold;
                let what = What::AcceptError { endpoint, error, action, pause_ms, untold };
                (Level::Warning, what)
            }
            Event::HookPanicked { hook, .. } => {
                (Level::Error, What::HookPanicked { endpoint, hook })
            }
            Event::Cut { client_address, age, .. } => {
                let (client, elapsed_ms) = (Shown(client_address), Millis(*age));
                (Level::Warning, What::Cut { endpoint, client, elapsed_ms })
            }
            // Told for all endpoints together, when the last of them listens and has closed.
            _ => return,
        };
        self.write(level, &what);
    }

    fn write(self, level: Level, what: &What<'_>) {
        if level == Level::Debug && !self.verbose {
            return;
        }
        // To the millisecond, which is what people and collectors of logs expect.
        let time = format!("{:.3}", Timestamp::now());
        match self.format {
            LogFormat::None => {}
            LogFormat::Json => {
                let line = Line { time: &time, level, what };
                if let Ok(line) = serde_json::to_string(&line) {
                    print(&line);
                }
            }
            // Without a time, so that it is the same each time and easily found by a script.
            LogFormat::Human if matches!(what, What::Listening { .. }) => print(&what.to_string()),
            LogFormat::Human => print(&format!("{time} {what}")),
        }
    }
}

/// Writes one line at once, so that those of several threads and processes do not mix.
fn print(line: &str) {
    let line = format!("{line}\n");
    // Nobody is left to tell that standard error is closed.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

fn one_line(error: &impl fmt::Display) -> String {
    error.to_string().replace('\n', " ")
}

/// How a request ended that did not fail; or how it failed.
fn outcome(failure: Option<&Failure>) -> Result<Outcome, &Failure> {
    let Some(failure) = failure else {
        return Ok(Outcome::Complete);
    };
    let error = failure.error();
    let is_timeout = error
        .and_then(|error| error.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == ErrorKind::TimedOut);
    if failure.is_disconnect() {
        Ok(Outcome::Disconnected)
    } else if failure.is_cut() || error.is_some_and(|error| error.is::<WasCut>()) {
        Ok(Outcome::Cut)
    } else if is_timeout {
        Ok(Outcome::TimedOut)
    } else {
        Err(failure)
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { endpoint } => write!(f, "listening on {endpoint}"),
            Self::Started { endpoint, client } => write!(f, "{endpoint}: {client} started"),
            Self::Finished { endpoint, client, elapsed_ms, outcome } => {
                let how = match outcome {
                    Outcome::Complete => "finished",
                    Outcome::Disconnected => "went away",
                    Outcome::TimedOut => "timed out",
                    Outcome::Cut => "was cut",
                };
                write!(f, "{endpoint}: {client} {how} after {elapsed_ms}")
            }
            Self::Failed { endpoint, client, elapsed_ms, error } => {
                write!(f, "{endpoint}: {client} failed")?;
                if let Some(elapsed) = elapsed_ms {
                    write!(f, " after {elapsed}")?;
                }
                write!(f, ": {error}")
            }
            Self::Refused { endpoint, client } => write!(f, "{endpoint}: {client} refused"),
            Self::AcceptError { endpoint, error, action, pause_ms, untold } => {
                write!(f, "{endpoint}: cannot take a client: {error}; {action}")?;
                if let Some(pause) = pause_ms {
                    write!(f, " for {pause}")?;
                }
                match untold {
                    0 => Ok(()),
                    untold => write!(f, " ({untold} more such errors)"),
                }
            }
            Self::HookPanicked { endpoint, hook } => write!(f, "{endpoint}: {hook} panicked"),
            Self::Draining { open: 0, .. } => f.write_str("stopping; nothing is open"),
            Self::Draining { open, deadline_ms } => {
                write!(f, "stopping; {open} open, cut in {deadline_ms} or by the next signal")
            }
            Self::Cut { endpoint, client, elapsed_ms } => {
                write!(f, "{endpoint}: {client} cut after {elapsed_ms}")
            }
            Self::Drained { finished, cut, unfinished, elapsed_ms } => {
                write!(f, "stopped after {elapsed_ms}: {finished} finished, {cut} cut")?;
                match unfinished {
                    0 => Ok(()),
                    unfinished => write!(f, ", {unfinished} could not be ended"),
                }
            }
            Self::Fatal { error, .. } => write!(f, "socketserver: {error}"),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A client may call its socket what it likes.
        let shown = self.0.to_string();
        f.write_str(&shown.replace(char::is_control, "?"))
    }
}
