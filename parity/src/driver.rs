//! Runs one scenario against one side.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use crate::client::{self, Client};
use crate::outcome::Outcome;
use crate::scenario::{Event, Scenario, Step, Transport};
use crate::server::{Server, Side, closing};
use crate::trace::{Line, position, seen};

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long ours is waited for where Python is known to hang.
const PROBE: Duration = Duration::from_secs(5);
/// How long ours may go on closing a request before the client reads what it got: it may wait
/// for the client.
const LINGER: Duration = Duration::from_millis(40);
/// How long after the end of a datagram request a reply to it may still be on its way.
const IN_FLIGHT: Duration = Duration::from_millis(30);

/// The server could not be made.
const NOT_MADE: Event = Event::Line("constructor.", 1);

/// What a run came to, and what the server wrote to standard error.
#[derive(Debug)]
pub struct Run {
    /// What is compared.
    pub outcome: Outcome,
    /// What may explain it.
    pub errors: String,
}

/// Runs `scenario` against one server of `side`.
///
/// # Errors
///
/// The scenario's folder cannot be made or the server cannot be started.
pub fn run(side: &Side, scenario: &Scenario) -> io::Result<Run> {
    let folder = Folder::new()?;
    let gate = UnixListener::bind(folder.0.join("gate"))?;
    gate.set_nonblocking(true)?;
    let server = Server::start(side, scenario, &folder.0)?;
    let mut driver = Driver {
        side,
        scenario,
        folder: &folder.0,
        gate,
        server,
        address: String::new(),
        clients: BTreeMap::new(),
        since: 0,
        outcome: Outcome::default(),
    };
    let end = driver.all_steps();
    Ok(driver.finish(end))
}

/// Why the steps ended before the last one.
enum Stop {
    /// Something that had to happen did not.
    Broken(String),
    /// Something that need not happen did not.
    Hung,
}

struct Driver<'a> {
    side: &'a Side,
    scenario: &'a Scenario,
    folder: &'a Path,
    gate: UnixListener,
    server: Server,
    address: String,
    clients: BTreeMap<char, Client>,
    /// How long the trace was when the last command was given.
    since: usize,
    outcome: Outcome,
}

impl Driver<'_> {
    fn all_steps(&mut self) -> Result<(), Stop> {
        self.wait("its address", |lines| {
            address(lines).is_some() || seen(NOT_MADE, lines, 0, self.scenario.mixin)
        })?;
        self.address = address(&self.server.trace().lines()).unwrap_or_default();
        for step in &self.scenario.steps {
            self.step(step)?;
        }
        self.server.command("exit");
        Ok(())
    }

    fn finish(mut self, end: Result<(), Stop>) -> Run {
        self.outcome.broken = match end {
            Ok(()) => {
                let ended = self.server.end(PATIENCE);
                (!ended).then(|| "the server's process did not end well".to_owned())
            }
            Err(Stop::Broken(why)) => Some(why),
            Err(Stop::Hung) => None,
        };
        self.outcome.add_trace(&self.server.trace().lines());
        self.server.kill();
        Run { outcome: self.outcome, errors: self.server.errors() }
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Command(command) => {
                self.since = self.server.trace().len();
                self.server.command(command);
            }
            Step::Connect(name) => self.connect(*name, Some(*name))?,
            Step::ConnectUnnamed(name) => self.connect(*name, None)?,
            Step::TryConnect(name) => {
                let answer =
                    if self.connect(*name, Some(*name)).is_ok() { "connected" } else { "refused" };
                self.fact(format!("client {name} connects"), answer.to_owned());
            }
            Step::Crowd(clients) => {
                let waiting = client::crowd(&self.folder.join(&self.address), *clients);
                let waiting = waiting.map_err(|error| Stop::Broken(format!("crowd: {error}")))?;
                self.fact(format!("{clients} clients"), format!("{waiting} in the queue"));
            }
            Step::Send(name, data) => {
                if let Err(error) = self.client(*name).send(data) {
                    self.fact(format!("client {name} sends"), error.to_string());
                }
            }
            Step::HalfClose(name) => {
                let done = self.client(*name).half_close();
                done.map_err(|error| Stop::Broken(format!("half close: {error}")))?;
            }
            Step::Read(name) => self.read(*name),
            Step::ReadLine(name) => {
                let got = if self.scenario.transport.is_stream() {
                    self.client(*name).read_line()
                } else {
                    let got = self.client(*name).read_datagram(PATIENCE);
                    got.map_or_else(|error| error.to_string(), |got| got.unwrap_or_default())
                };
                self.fact(format!("client {name} line"), got);
            }
            Step::Leave(name) => closing(|| drop(self.clients.remove(name))),
            Step::Reset(name) => {
                let client = self.clients.remove(name);
                let done = closing(|| client.map_or(Ok(()), Client::reset));
                done.map_err(|error| Stop::Broken(format!("reset: {error}")))?;
            }
            Step::OpenGate => {
                let visitor = self.visitor()?;
                closing(|| drop(visitor));
            }
            Step::Await(event) => self.await_event(*event)?,
            Step::Probe { event, patience } => self.probe(*event, *patience)?,
            Step::Settle(request) => {
                let over = Event::Over(*request);
                if self.side.patient {
                    let mixin = self.scenario.mixin;
                    self.wait("the end of the request", |lines| {
                        [over, Event::Of(*request, "shutdown_request")]
                            .iter()
                            .any(|&event| seen(event, lines, 0, mixin))
                    })?;
                }
                self.waited(if self.side.patient { LINGER } else { PATIENCE }, over);
            }
            Step::First(a, b) => self.first(*a, *b)?,
            Step::Order(a, b) => self.order(*a, *b)?,
        }
        Ok(())
    }

    fn connect(&mut self, name: char, own: Option<char>) -> Result<(), Stop> {
        let client =
            Client::connect(self.scenario.transport, &self.address, self.folder, own, PATIENCE)
                .map_err(|error| Stop::Broken(format!("client {name} connects: {error}")))?;
        self.clients.insert(name, client);
        Ok(())
    }

    fn client(&mut self, name: char) -> &mut Client {
        let client = self.clients.get_mut(&name);
        client.unwrap_or_else(|| panic!("{}: no client {name}", self.scenario.name()))
    }

    fn read(&mut self, name: char) {
        let got = match self.scenario.transport {
            Transport::Tcp | Transport::Unix => self.client(name).read_stream(),
            Transport::Udp | Transport::Unixgram => {
                let mut replies = Vec::new();
                loop {
                    match self.client(name).read_datagram(IN_FLIGHT) {
                        Ok(Some(reply)) => replies.push(reply),
                        Ok(None) if replies.is_empty() => break "no reply".to_owned(),
                        Ok(None) => break replies.join(" and "),
                        Err(error) => break error.to_string(),
                    }
                }
            }
        };
        self.fact(format!("client {name}"), got);
    }

    /// The next handler that comes to the gate; dropped, it goes on.
    fn visitor(&mut self) -> Result<UnixStream, Stop> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.gate.accept() {
                Ok((visitor, _)) => return Ok(visitor),
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(Stop::Broken(format!("nobody at the gate: {error}"))),
            }
        }
    }

    fn waited(&self, patience: Duration, event: Event) -> bool {
        let (since, mixin) = (self.since, self.scenario.mixin);
        self.server.trace().wait(patience, |lines| seen(event, lines, since, mixin))
    }

    fn await_event(&self, event: Event) -> Result<(), Stop> {
        if self.waited(PATIENCE, event) {
            return Ok(());
        }
        Err(Stop::Broken(format!("never came: {event}")))
    }

    fn wait(&self, what: &str, seen: impl FnMut(&[Line]) -> bool) -> Result<(), Stop> {
        if self.server.trace().wait(PATIENCE, seen) {
            return Ok(());
        }
        Err(Stop::Broken(format!("never came: {what}")))
    }

    fn probe(&mut self, event: Event, patience: u64) -> Result<(), Stop> {
        let patience = if self.side.patient { PROBE } else { Duration::from_millis(patience) };
        let came = self.waited(patience, event);
        let how = if came { "came" } else { "never came" };
        self.fact(event.to_string(), how.to_owned());
        if came { Ok(()) } else { Err(Stop::Hung) }
    }

    fn first(&mut self, a: Event, b: Event) -> Result<(), Stop> {
        let (since, mixin) = (self.since, self.scenario.mixin);
        let mut first = None;
        self.wait(&format!("{a}, or {b}"), |lines| {
            first = [a, b].into_iter().find(|&event| seen(event, lines, since, mixin));
            first.is_some()
        })?;
        let first = first.map(|event| event.to_string()).unwrap_or_default();
        self.fact(format!("{a}, or {b}"), first);
        Ok(())
    }

    fn order(&mut self, a: Event, b: Event) -> Result<(), Stop> {
        self.await_event(a)?;
        self.await_event(b)?;
        let lines = self.server.trace().lines();
        let position = |event| position(event, &lines, self.scenario.mixin);
        let (first, second) = if position(a) <= position(b) { (a, b) } else { (b, a) };
        self.fact(format!("{a} and {b}"), format!("{first} before {second}"));
        Ok(())
    }

    fn fact(&mut self, name: String, value: String) {
        self.outcome.facts.insert(name, value);
    }
}

fn address(lines: &[Line]) -> Option<String> {
    lines.iter().find_map(|line| line.event.strip_prefix("~address ")).map(str::to_owned)
}

/// A folder of a scenario's own, removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("parity-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
