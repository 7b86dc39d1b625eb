//! What the default `handle_error` prints, seen from outside the process.

use std::io;

use socketserver::transport::Transport;
use socketserver::{
    Address, BaseServer, RequestError, Result, StreamRequest, StreamRequestHandler, TcpServer,
    handler_fn, print_error,
};
use testkit::{DEADLINE, alone};

use crate::noting::{apart, connect, run_apart};

/// Serves one client that sends `sends`, and prints what is printed.
fn serve_one<H: StreamRequestHandler + 'static>(handler: impl Fn() -> H + Send + Sync + 'static) {
    let builder = TcpServer::builder(handler).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let client = connect(server.server_address());
    server.handle_request().unwrap();
    drop(client);
}

/// What is printed to standard error when the test `name` does `what`, without the clients' port.
#[track_caller]
fn printed(name: &str, what: &str) -> String {
    let output = run_apart(&format!("printed::{name}"), what);
    let text = String::from_utf8(output.stderr).unwrap();
    let port = text.split_once("127.0.0.1:").map_or("", |(_, rest)| rest);
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    match port.is_empty() {
        true => text,
        false => text.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:PORT"),
    }
}

/// An error with a cause.
#[derive(Debug)]
struct Caused(io::Error);

impl std::fmt::Display for Caused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot look it up")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

const HEAD: &str = "----------------------------------------
Exception occurred during processing of request from 127.0.0.1:PORT
";
const RULE: &str = "----------------------------------------\n";

/// A49: Python's text, with the causes of the error in the place of its traceback.
#[test]
fn the_default_handle_error_prints_as_python_does() {
    if apart().is_some() {
        let fails =
            |_: &mut StreamRequest<'_>| -> Result { Err(Caused(io::ErrorKind::NotFound.into()))? };
        return serve_one(handler_fn(fails));
    }
    let _alone = alone();
    let text = printed("the_default_handle_error_prints_as_python_does", "");
    let body = "  cannot look it up\n  caused by: entity not found\n";
    assert_eq!(text, format!("{HEAD}{body}{RULE}"));
}

/// Fails, and fails again while it cleans up.
struct Twice;

impl StreamRequestHandler for Twice {
    fn handle(&mut self, _: &mut StreamRequest<'_>) -> Result {
        Err("first".into())
    }

    fn finish(&mut self, _: &mut StreamRequest<'_>) -> Result {
        Err("second".into())
    }
}

/// A49, A80.
#[test]
fn a_failure_while_cleaning_up_is_printed_with_what_came_before() {
    if apart().is_some() {
        return serve_one(|| Twice);
    }
    let _alone = alone();
    let text = printed("a_failure_while_cleaning_up_is_printed_with_what_came_before", "");
    assert_eq!(text, format!("{HEAD}  second\n  while cleaning up after: first\n{RULE}"));
}

/// Calls the default from an override.
struct Loud;

impl<T: Transport> BaseServer<T> for Loud {
    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        eprintln!("oh no");
        print_error(error, client_address);
    }
}

/// A93: Rust has no `super()`, but the default is a function.
#[test]
fn an_override_of_handle_error_can_call_the_default() {
    if apart().is_some() {
        let fails = |_: &mut StreamRequest<'_, Loud>| -> Result { Err("failed".into()) };
        let builder = TcpServer::builder(handler_fn(fails)).server(Loud).timeout(DEADLINE);
        let server = builder.bind("127.0.0.1:0").unwrap();
        let _client = connect(server.server_address());
        server.handle_request().unwrap();
        return;
    }
    let _alone = alone();
    let text = printed("an_override_of_handle_error_can_call_the_default", "");
    assert_eq!(text, format!("oh no\n{HEAD}  failed\n{RULE}"));
}
