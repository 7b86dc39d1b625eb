//! The observer that is ready-made for the `tracing` crate.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::observe::Tracing;
use socketserver::transport::Transport;
use socketserver::{Address, BaseServer, Result, Server, StreamRequest, StreamRequestHandler};
use socketserver::{RequestError, TcpServer};
use testkit::{DEADLINE, alone};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::noting::connect;

/// Keeps every event as a line: level, target, message and the names of its fields.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, ": {value:?}"),
            // Which are not the same each time.
            name @ ("client_address" | "server_address" | "elapsed" | "age") => {
                write!(self.0, " {name}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Refuses and panics when it is told to.
#[derive(Clone, Copy, Debug, Default)]
struct Hooks {
    refuses: bool,
    panics: bool,
}

impl<T: Transport> BaseServer<T> for Hooks {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        !self.refuses
    }

    fn handle_error(&self, _: &RequestError, _: &Address) {}

    fn handle_timeout(&self) {
        assert!(!self.panics, "in handle_timeout");
    }
}

/// Does well, fails, or finds that its client has gone; and fails once more after that.
#[derive(Clone, Copy, Debug)]
enum Does {
    Well,
    Fail,
    Read,
    FailAndRead,
}

impl StreamRequestHandler<Hooks> for Does {
    fn handle(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        match self {
            Self::Well => Ok(()),
            Self::Fail | Self::FailAndRead => Err("no luck".into()),
            Self::Read => Ok(request.rfile.read_exactly(1).map(drop)?),
        }
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        match self {
            Self::FailAndRead => Ok(request.rfile.read_exactly(1).map(drop)?),
            _ => Ok(()),
        }
    }
}

/// What is logged of a server that handles one request of a client that has gone.
fn logged(does: Does, hooks: Hooks) -> Vec<String> {
    let lines = Lines::default();
    // For this thread, on which the server runs.
    tracing::subscriber::with_default(lines.clone(), || {
        let builder = TcpServer::builder(move || does).observer(Tracing::default());
        let server = builder.server(hooks).timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        connect(server.server_address()).reset().unwrap();
        server.handle_request().unwrap();
        Server::server_close(&server, None);
    });
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.first().unwrap(), "INFO socketserver: listening server_address");
    assert_eq!(lines.last().unwrap(), "INFO socketserver: closed server_address");
    lines[1..lines.len() - 1].to_vec()
}

/// What runs well is for those who look closely; a fault is for everybody; a client that went
/// away is no fault, and does not hide one.
#[test]
fn requests_are_logged_by_how_much_they_matter() {
    let _alone = alone();
    let hooks = Hooks::default();
    let started = "DEBUG socketserver: request started client_address";
    let finished = "DEBUG socketserver: request finished client_address elapsed";
    let failed = "WARN socketserver: request failed client_address elapsed";
    let well = [started.to_owned(), format!("{finished} disconnected=false")];
    assert_eq!(logged(Does::Well, hooks), well);
    let gone = [started.to_owned(), format!("{finished} disconnected=true")];
    assert_eq!(logged(Does::Read, hooks), gone);
    let fault = [started.to_owned(), format!("{failed} error=no luck")];
    assert_eq!(logged(Does::Fail, hooks), fault);
    let both = logged(Does::FailAndRead, hooks);
    assert!(both.len() == 2 && both[1].starts_with(failed), "{both:?}");
}

/// A44.
#[test]
fn a_refusal_is_logged() {
    let _alone = alone();
    let refused = logged(Does::Well, Hooks { refuses: true, panics: false });
    assert_eq!(refused, ["INFO socketserver: request refused client_address"]);
}

/// B28: the panic's own text is printed by the panic hook, as any panic's.
#[test]
fn a_hook_that_panics_is_logged() {
    let _alone = alone();
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let builder = TcpServer::builder(|| Does::Well).observer(Tracing::default());
        let builder = builder.server(Hooks { refuses: false, panics: true });
        let server = builder.timeout(Duration::ZERO).bind("127.0.0.1:0").unwrap();
        server.handle_request().unwrap();
    });
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines[1], r#"WARN socketserver: hook panicked hook="handle_timeout""#);
}
