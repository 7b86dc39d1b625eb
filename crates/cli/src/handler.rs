//! What a request is given to: a built-in protocol, or a program.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socketserver::transport::Stream;
use socketserver::{
    BaseRequest, BaseRequestHandler, DatagramRequest, DatagramRequestHandler, Result,
};

use crate::environment::Environment;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::state::State;

/// What is served.
#[derive(Debug)]
pub(crate) enum Service {
    Protocol {
        protocol: Protocol,
        /// How long each read and each write may wait.
        timeout: Option<Duration>,
    },
    Program(Program),
}

/// Serves one connection.
#[derive(Debug)]
pub(crate) struct StreamHandler;

impl BaseRequestHandler<Stream, State> for StreamHandler {
    fn handle(&mut self, request: &mut BaseRequest<'_, Stream, State>) -> Result {
        let state = request.server;
        let connection = &*request.request;
        let served = match state.service() {
            Service::Protocol { protocol, timeout } => {
                connection.set_timeout(*timeout).and_then(|()| protocol.serve(connection))
            }
            Service::Program(program) => {
                let (fd, client) = (connection.as_fd(), request.client_address);
                let (kind, server) = (state.kind(), state.address());
                Environment::of_connection(kind, fd, client, server)
                    .and_then(|environment| program.serve(fd, environment, &state.cut()?))
            }
        };
        // Its connection was shut down under it, so what it says of that is no news.
        if request.is_cut() {
            return Err(WasCut.into());
        }
        Ok(served?)
    }
}

/// Serves one datagram.
#[derive(Debug)]
pub(crate) struct DatagramHandler;

impl DatagramRequestHandler<State> for DatagramHandler {
    fn handle(&mut self, request: &mut DatagramRequest<'_, State>) -> Result {
        if request.is_truncated() {
            return Err("the datagram was longer than 64 KiB, and its end is lost".into());
        }
        let state = request.server;
        let reply = match state.service() {
            // Nobody may make us answer to all the hosts of a network, or from such an address.
            Service::Protocol { .. } if is_for_many(request.datagram().destination()) => None,
            Service::Protocol { protocol, .. } => protocol.answer(request.packet),
            Service::Program(program) => {
                let server = state.address();
                let local = match (request.datagram().destination(), server.as_inet()) {
                    (Some(ip), Some(server)) => SocketAddr::new(ip, server.port()).into(),
                    _ => server.clone(),
                };
                let environment =
                    Environment::of_datagram(state.kind(), request.client_address, &local);
                let reply = program.answer(request.packet, environment, &state.cut()?)?;
                // Of a program, silence is silence.
                Some(reply).filter(|reply| !reply.is_empty())
            }
        };
        if let Some(reply) = reply {
            request.wfile = reply;
            request.send_reply()?;
        }
        Ok(())
    }

    /// Leaves it at that: an empty reply has been sent like any other.
    fn finish(&mut self, _: &mut DatagramRequest<'_, State>) -> Result {
        Ok(())
    }
}

/// Whether a datagram was sent to more hosts than this one, as far as its address tells.
fn is_for_many(destination: Option<IpAddr>) -> bool {
    destination.is_some_and(|ip| match ip {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    })
}

/// The end of a request that the server would not wait for any longer.
#[derive(Debug)]
pub(crate) struct WasCut;

impl fmt::Display for WasCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for WasCut {}
