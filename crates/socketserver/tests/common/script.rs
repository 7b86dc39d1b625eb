use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use socketserver::transport::Transport;
use socketserver::{
    Address, BaseServer, DatagramRequest, DatagramRequestHandler, RequestError, Result,
    ShutdownHandle, StreamRequest, StreamRequestHandler,
};
use testkit::{Gate, Trace};

/// The state of a server under test, and its hooks, which note that they were called.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    /// What was called, in this process and its children.
    pub(crate) trace: Arc<Trace>,
    /// Where a handler that was asked to hold waits.
    pub(crate) gate: Gate,
    /// Whether `verify_request` refuses.
    pub(crate) refuses: AtomicBool,
    /// How often `service_actions` was called; too often to be noted.
    pub(crate) service_actions: AtomicUsize,
}

impl Hooks {
    /// Makes `verify_request` refuse every request, or none.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How often `service_actions` has been called.
    pub(crate) fn passes(&self) -> usize {
        self.service_actions.load(Ordering::SeqCst)
    }
}

impl<T: Transport> BaseServer<T> for Hooks {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        // Decided when it is noted: who waits for the note may change it then.
        let refuses = self.refuses.load(Ordering::SeqCst);
        self.trace.note("verify_request");
        !refuses
    }

    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(format!("handle_error {error}"));
    }

    fn handle_timeout(&self) {
        self.trace.note("handle_timeout");
    }

    fn service_actions(&self) {
        self.service_actions.fetch_add(1, Ordering::SeqCst);
    }

    fn server_close(&self) {
        self.trace.note("server_close");
    }
}

/// A handler, of connections and of packets, that does what its request's first word says:
///
/// | request | what is done | reply |
/// |---|---|---|
/// | `echo TEXT` | | `TEXT` |
/// | `pid` | | the id of the process that it runs in |
/// | `thread` | | the name of the thread that it runs on |
/// | `hold` | notes `held`, and waits at the gate | `released` |
/// | `fail` | returns an error | none |
/// | `panic` | panics | none |
/// | `shutdown` | stops the server with `shutdown`, which waits | `stopped` |
#[derive(Debug, Default)]
pub(crate) struct Script {
    _private: (),
}

impl Script {
    fn run(asked: &str, hooks: &Hooks, shutdown_handle: &ShutdownHandle) -> Result<String> {
        hooks.trace.note("handle");
        let (word, rest) = asked.split_once(' ').unwrap_or((asked, ""));
        Ok(match word {
            "echo" => rest.to_owned(),
            "pid" => std::process::id().to_string(),
            "thread" => std::thread::current().name().unwrap_or_default().to_owned(),
            "hold" => {
                hooks.trace.note("held");
                match hooks.gate.pass() {
                    true => "released".to_owned(),
                    false => "never released".to_owned(),
                }
            }
            "shutdown" => {
                shutdown_handle.shutdown();
                "stopped".to_owned()
            }
            "fail" => return Err("failed as asked".into()),
            "panic" => panic!("panicked as asked"),
            _ => return Err(format!("no such word: {word:?}").into()),
        })
    }
}

impl StreamRequestHandler<Hooks> for Script {
    fn setup(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        request.server.trace.note("setup");
        Ok(())
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        let mut line = String::new();
        request.rfile.read_line(&mut line)?;
        let reply = Self::run(line.trim_end(), request.server, request.shutdown_handle)?;
        Ok(writeln!(request.wfile, "{reply}")?)
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, Hooks>) -> Result {
        request.server.trace.note("finish");
        request.flush()
    }
}

impl DatagramRequestHandler<Hooks> for Script {
    fn setup(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        request.server.trace.note("setup");
        Ok(())
    }

    fn handle(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        let asked = String::from_utf8_lossy(request.packet).into_owned();
        let reply = Self::run(&asked, request.server, request.shutdown_handle)?;
        request.wfile = reply.into_bytes();
        Ok(())
    }

    fn finish(&mut self, request: &mut DatagramRequest<'_, Hooks>) -> Result {
        request.server.trace.note("finish");
        request.finish()
    }
}
