//! Handlers of requests as they are, without `rfile` and `wfile`.

use std::sync::Arc;

use socketserver::transport::{Connection, Datagram, Packet, Stream};
use socketserver::{Address, BaseRequest, BaseRequestHandler, Result};

use super::behaviour::Behaviour;
use super::hooks::Hooks;
use super::tracing::trace_this;

/// A handler of either kind.
#[derive(Debug)]
pub(super) struct Raw {
    data: Vec<u8>,
}

impl From<&Behaviour> for Raw {
    fn from(_: &Behaviour) -> Self {
        Self { data: Vec::new() }
    }
}

impl Raw {
    fn run(&mut self, hook: &str, server: &Hooks, request: &impl Socket) -> Result {
        trace_this(hook);
        for operation in server.behaviour.get(hook).unwrap_or("default").split(',') {
            match operation {
                "default" => {}
                "recv" => {
                    self.data = request.recv()?;
                    trace_this(format_args!("read:{}", self.data.len()));
                }
                "send" => request.send(&self.data)?,
                "fail" => return Err("told to".into()),
                _ => panic!("no such operation: {operation:?}"),
            }
        }
        Ok(())
    }
}

/// What both kinds of request can do.
trait Socket {
    fn recv(&self) -> Result<Vec<u8>>;
    fn send(&self, data: &[u8]) -> Result;
}

impl Socket for Arc<dyn Connection> {
    fn recv(&self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let received = Connection::recv(&**self, &mut buffer)?;
        buffer.truncate(received);
        Ok(buffer)
    }

    fn send(&self, data: &[u8]) -> Result {
        Ok(self.send_all(data)?)
    }
}

impl Socket for (&Packet, &Address) {
    fn recv(&self) -> Result<Vec<u8>> {
        Ok(self.0.data().to_vec())
    }

    fn send(&self, data: &[u8]) -> Result {
        self.0.send_to(data, self.1)?;
        Ok(())
    }
}

impl BaseRequestHandler<Stream, Hooks> for Raw {
    fn setup(&mut self, request: &mut BaseRequest<'_, Stream, Hooks>) -> Result {
        self.run("setup", request.server, &request.request)
    }

    fn handle(&mut self, request: &mut BaseRequest<'_, Stream, Hooks>) -> Result {
        self.run("handle", request.server, &request.request)
    }

    fn finish(&mut self, request: &mut BaseRequest<'_, Stream, Hooks>) -> Result {
        self.run("finish", request.server, &request.request)
    }
}

impl BaseRequestHandler<Datagram, Hooks> for Raw {
    fn setup(&mut self, request: &mut BaseRequest<'_, Datagram, Hooks>) -> Result {
        self.run("setup", request.server, &(&*request.request, request.client_address))
    }

    fn handle(&mut self, request: &mut BaseRequest<'_, Datagram, Hooks>) -> Result {
        self.run("handle", request.server, &(&*request.request, request.client_address))
    }

    fn finish(&mut self, request: &mut BaseRequest<'_, Datagram, Hooks>) -> Result {
        self.run("finish", request.server, &(&*request.request, request.client_address))
    }
}
