//! The default: each write at once, and whole.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use socketserver::transport::Connection;
use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer, WriteMode, handler_fn};
use testkit::{DEADLINE, alone, within_deadline};

use crate::noting::{Noting, connect, stop};
use crate::writes::{serve, server};

/// A85: the handler goes no further before its client has the word, so the client can wait for
/// it; in the default mode, without a flush.
#[test]
fn what_is_written_reaches_the_client_before_the_handler_does_anything_else() {
    let _alone = alone();
    let asks = |request: &mut StreamRequest<'_>| -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        for question in ["name?", "quest?", "colour?"] {
            wfile.write_all(question.as_bytes())?;
            rfile.read_exactly(question.len())?;
        }
        Ok(())
    };
    let server = TcpServer::bind("127.0.0.1:0", handler_fn(asks)).unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    for question in ["name?", "quest?", "colour?"] {
        let asked = client.read_exactly(question.len()).unwrap();
        assert_eq!(asked, question.as_bytes());
        client.send(asked).unwrap();
    }
    stop(server);
}

/// A84, A85: a `write!` is formatted before it is sent, so that one line is one packet.
#[test]
fn one_write_is_one_send_and_so_is_one_formatted_line() {
    let _alone = alone();
    let server = server(WriteMode::Unbuffered, |request| {
        let wfile = &mut request.wfile;
        writeln!(wfile, "{} and {:>3} and {:?}", 1, 2, "three")?;
        writeln!(wfile, "plain")?;
        wfile.write_all(b"bytes\n")?;
        assert_eq!(wfile.write(b"more")?, 4);
        Ok(wfile.flush()?)
    });
    let (_, sent) = serve(&server, "");
    assert_eq!(sent, ["1 and   2 and \"three\"\n", "plain\n", "bytes\n", "more"]);
}

/// A84, B45: `write` returns the whole length, having sent it all; the client reads slowly at
/// first, so that sends are partial.
#[test]
fn a_big_write_is_sent_whole_and_counted_in_bytes() {
    let _alone = alone();
    const LEN: usize = 16 * 1024 * 1024;
    let noting = Noting::default();
    let big = |request: &mut StreamRequest<'_, Noting>| -> Result {
        let bytes: Vec<u8> = (0..LEN).map(|at| (at % 251) as u8).collect();
        let len = request.wfile.write(&bytes)?;
        request.server.trace.note(len.to_string());
        Ok(())
    };
    let builder = TcpServer::builder(handler_fn(big)).server(noting.clone());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    let reply = within_deadline(move || client.read_to_end().unwrap());
    assert_eq!(reply.len(), LEN);
    assert!(reply.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8));
    stop(server);
    assert_eq!(noting.trace.texts(), [LEN.to_string()]);
}

/// A84.
#[test]
fn wfile_and_rfile_have_the_connections_descriptor() {
    let _alone = alone();
    let server = server(WriteMode::Unbuffered, |request| {
        let own = request.connection().as_fd().as_raw_fd();
        assert_eq!(request.wfile.as_fd().as_raw_fd(), own);
        assert_eq!(request.rfile.as_fd().as_raw_fd(), own);
        rustix::io::write(&request.wfile, b"direct")?;
        Ok(())
    });
    let mut client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"direct");
    assert!(server.server().trace.texts().is_empty());
}

/// Keeps its connection when its request has ended.
struct Keeps(Sender<Arc<dyn Connection>>);

impl StreamRequestHandler for Keeps {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        Ok(self.0.send(Arc::clone(request.connection()))?)
    }
}

/// A53, B41: a `wfile` cannot outlive its request; a connection can, and cannot send any more.
#[test]
fn nothing_can_be_sent_when_the_request_has_ended() {
    let _alone = alone();
    let (sender, receiver) = channel();
    let builder = TcpServer::builder(move || Keeps(sender.clone())).timeout(DEADLINE);
    let server = builder.bind("127.0.0.1:0").unwrap();
    let mut client = connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"");
    let kept = receiver.recv().unwrap();
    assert_eq!(kept.send(b"late").unwrap_err().kind(), ErrorKind::BrokenPipe);
}
