//! `disable_nagle_algorithm`, and `rbufsize` of zero.

use std::io::{BufRead, Write};
use std::process::{Command, Stdio};

use rustix::net::sockopt::tcp_nodelay;
use socketserver::{
    Result, StreamRequest, StreamRequestHandler, TcpServer, ThreadingUnixStreamServer,
    UnixStreamServer,
};
use testkit::{DEADLINE, alone, socket_path};

use crate::noting::{Noting, connect, stop};

/// Tells whether its connection waits before it sends small packets.
struct Nagle {
    disabled: bool,
}

impl StreamRequestHandler<Noting> for Nagle {
    fn handle(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        let nodelay = tcp_nodelay(request.connection()).ok();
        Ok(write!(request.wfile, "{nodelay:?}")?)
    }

    fn disable_nagle_algorithm(&self) -> bool {
        self.disabled
    }
}

/// A10, A82.
#[test]
fn nagles_algorithm_can_be_disabled_and_is_not_by_default() {
    let _alone = alone();
    for disabled in [false, true] {
        let builder = TcpServer::builder(move || Nagle { disabled }).server(Noting::default());
        let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        let mut client = connect(server.server_address());
        server.handle_request().unwrap();
        let reply = String::from_utf8(client.read_to_end().unwrap()).unwrap();
        assert_eq!(reply, format!("Some({disabled})"));
    }
}

/// A82, B42: in Python every request fails.
#[test]
fn disabling_nagles_algorithm_is_harmless_on_a_unix_socket() {
    let _alone = alone();
    let path = socket_path();
    let noting = Noting::default();
    let builder = UnixStreamServer::builder(|| Nagle { disabled: true }).server(noting.clone());
    let server = builder.timeout(DEADLINE).bind(&path).unwrap();
    let mut client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"None");
    assert!(noting.trace.texts().is_empty());
}

/// Reads a line, and leaves the rest of the connection to another program.
struct HandsOn;

impl StreamRequestHandler for HandsOn {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let mut line = String::new();
        request.rfile.read_line(&mut line)?;
        assert!(request.rfile.buffer().is_empty());
        let stdin = rustix::io::dup(request.connection())?;
        let stdout = rustix::io::dup(request.connection())?;
        let mut program = Command::new("tr");
        program.args(["a-z", "A-Z"]).stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
        match program.status()?.success() {
            true => Ok(write!(request.wfile, "after {line}")?),
            false => Err("the program failed".into()),
        }
    }

    fn rbufsize(&self) -> usize {
        0
    }
}

/// A83: nothing is read ahead, so that the program gets everything after the line.
#[test]
fn an_unbuffered_connection_can_be_handed_to_another_program() {
    let _alone = alone();
    let path = socket_path();
    let server = ThreadingUnixStreamServer::bind(&path, || HandsOn).unwrap().spawn().unwrap();
    let reply = connect(server.server_address()).exchange("line\nshout this\nand this").unwrap();
    assert_eq!(String::from_utf8(reply).unwrap(), "SHOUT THIS\nAND THISafter line\n");
    stop(server);

    let server = TcpServer::bind("127.0.0.1:0", || HandsOn).unwrap().spawn().unwrap();
    let reply = connect(server.server_address()).exchange("line\nshout").unwrap();
    assert_eq!(String::from_utf8(reply).unwrap(), "SHOUTafter line\n");
    stop(server);
}
