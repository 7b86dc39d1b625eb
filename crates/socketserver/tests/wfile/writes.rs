//! A server whose handler writes in a given mode, and whose sends are counted.

use std::sync::Arc;

use socketserver::mixin::Synchronous;
use socketserver::transport::Tcp;
use socketserver::{Result, Server, StreamRequest, StreamRequestHandler, TcpServer, WriteMode};
use testkit::{Client, DEADLINE};

use crate::noting::{Counting, connect};

pub(crate) type Request<'a> = StreamRequest<'a, Counting>;

/// Runs a function, with a `wfile` in a mode.
pub(crate) struct Writes {
    handle: Arc<dyn Fn(&mut Request<'_>) -> Result + Send + Sync>,
    mode: WriteMode,
    flushes: bool,
}

impl StreamRequestHandler<Counting> for Writes {
    fn handle(&mut self, request: &mut Request<'_>) -> Result {
        (self.handle)(request)
    }

    fn finish(&mut self, request: &mut Request<'_>) -> Result {
        match self.flushes {
            true => request.flush(),
            false => Ok(()),
        }
    }

    fn wbufsize(&self) -> WriteMode {
        self.mode
    }
}

pub(crate) type WriteServer = Server<Tcp, Synchronous, Writes, Counting>;

/// A server of `handle`.
pub(crate) fn server(
    mode: WriteMode,
    handle: impl Fn(&mut Request<'_>) -> Result + Send + Sync + 'static,
) -> WriteServer {
    server_with_finish(true, mode, handle)
}

/// A server of `handle` whose `finish` flushes, or does nothing at all.
pub(crate) fn server_with_finish(
    flushes: bool,
    mode: WriteMode,
    handle: impl Fn(&mut Request<'_>) -> Result + Send + Sync + 'static,
) -> WriteServer {
    let handle: Arc<dyn Fn(&mut Request<'_>) -> Result + Send + Sync> = Arc::new(handle);
    let handler = move || Writes { handle: Arc::clone(&handle), mode, flushes };
    let builder = TcpServer::builder(handler).server(Counting::default());
    builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap()
}

/// Has a client send `input` and end, and then has its request handled; returns what it got, and
/// each of the sends that it was made of.
pub(crate) fn serve(server: &WriteServer, input: &str) -> (String, Vec<String>) {
    let mut client: Client = connect(server.server_address());
    client.send(input).unwrap();
    client.end().unwrap();
    server.handle_request().unwrap();
    let reply = String::from_utf8(client.read_to_end().unwrap()).unwrap();
    let sent = server.server().sent();
    assert_eq!(sent.concat(), reply);
    (reply, sent)
}
