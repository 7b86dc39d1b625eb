//! What the tests of single requests share: a server's state that takes note of errors instead of
//! printing them, transports and mix-ins that take note of their calls, connections that count
//! what is sent, and a way to run a test once more in a process of its own.

#![allow(dead_code, reason = "no test binary uses all of it")]

mod counting;
mod wrapped;

use std::fmt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use socketserver::mixin::MixIn;
use socketserver::transport::Transport;
use socketserver::{Address, Background, BaseServer, Pending, RequestError};
use testkit::{Client, Connect, DEADLINE, Trace, eventually};

#[allow(unused_imports, reason = "no test binary uses all of it")]
pub(crate) use self::counting::{Counted, Counting};
#[allow(unused_imports, reason = "no test binary uses all of it")]
pub(crate) use self::wrapped::{Noted, NotedMixIn};

/// The state of a server that takes note of what its requests fail with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noting {
    pub(crate) trace: Arc<Trace>,
}

impl<T: Transport> BaseServer<T> for Noting {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(told(error));
    }
}

/// A failed request in one line.
pub(crate) fn told(error: &RequestError) -> String {
    let whose = match error.is_disconnect() {
        true => "disconnect",
        false => "error",
    };
    match error.context() {
        Some(context) => format!("{whose}: {error}, after: {context}"),
        None => format!("{whose}: {error}"),
    }
}

/// A new client of the stream server at `address`.
#[track_caller]
pub(crate) fn connect(address: &Address) -> Client {
    let connect = match (address.as_inet(), address.as_path()) {
        (Some(address), _) => Connect::Tcp(address),
        (None, Some(path)) => Connect::Unix(path.to_owned()),
        _ => panic!("no stream client connects to {address}"),
    };
    connect.connect().expect("the server takes clients")
}

/// Stops a server whose requests all end by themselves.
#[track_caller]
pub(crate) fn stop<T, M, H, S>(server: Background<T, M, H, S>)
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    let report = server.stop(Some(DEADLINE)).expect("the loop ends well");
    assert!(report.is_complete(), "{report:?}");
}

/// Tells a test that [`run_apart`] runs that it does, and what it shall do.
const APART: &str = "SOCKETSERVER_TEST_APART";

/// What a test that runs in a process of its own shall do; `None` in the process of the tests.
pub(crate) fn apart() -> Option<String> {
    std::env::var(APART).ok()
}

/// Runs the test `name` once more in a process of its own, where [`apart`] returns `what`.
///
/// The test must return right after what it does there.
#[track_caller]
pub(crate) fn run_apart(name: &str, what: impl fmt::Display) -> Output {
    let program = std::env::current_exe().expect("this program has a path");
    let mut child = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(APART, what.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be run");
    // Its output is short, so it does not wait for us to read it.
    eventually("the end of the process apart", || {
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    let output = child.wait_with_output().expect("it can be waited for");
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(ran && output.status.success(), "{output:?}");
    output
}
