use std::cell::Cell;
use std::io::{self, Cursor};
use std::sync::Arc;

use super::{Context, RequestHandler, run_phases};
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::{Failed, Result};
use crate::transport::{Datagram, Packet};

/// Handles one packet of a datagram server: Python's `DatagramRequestHandler`.
///
/// A new value is made for each packet; see [`StreamRequestHandler`](crate::StreamRequestHandler)
/// for what holds for the methods of both.
pub trait DatagramRequestHandler<S = ()> {
    /// Prepares for `handle`. If this fails, neither `handle` nor `finish` is called. By default
    /// it does nothing.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`.
    fn setup(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        let _ = request;
        Ok(())
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, after `finish` has been called.
    fn handle(&mut self, request: &mut DatagramRequest<'_, S>) -> Result;

    /// Answers. By default it is [`DatagramRequest::finish`]: what `handle` has left in `wfile`
    /// is sent to the client as one packet, unless that is nothing, or `handle` failed.
    ///
    /// # Errors
    ///
    /// Go to `handle_error`, with those of `handle` as their context.
    fn finish(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        request.finish()
    }
}

thread_local! {
    /// Memory for replies, so that not each of them asks for its own.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How much of it is kept.
const MOST_SPARE: usize = 4096;

/// Says that a [`RequestHandler`] is one as a [`DatagramRequestHandler`].
#[derive(Debug)]
pub enum ViaDatagram {}

impl<H, S> RequestHandler<Datagram, S, ViaDatagram> for H
where
    H: DatagramRequestHandler<S> + ?Sized,
{
    fn run(&mut self, packet: Arc<Packet>, context: Context<'_, S>) -> Result<(), Failed> {
        let mut request = DatagramRequest {
            packet: packet.data(),
            rfile: Cursor::new(packet.data()),
            wfile: SPARE.take(),
            client_address: context.client_address,
            server: context.server,
            shutdown_handle: context.shutdown_handle,
            datagram: &packet,
            handle_failed: false,
        };
        let after_handle = |request: &mut DatagramRequest<'_, S>, failed| {
            request.handle_failed = failed;
        };
        let result = run_phases(self, &mut request, H::setup, H::handle, after_handle, H::finish);
        let mut wfile = request.wfile;
        if wfile.capacity() <= MOST_SPARE {
            wfile.clear();
            SPARE.set(wfile);
        }
        result
    }
}

impl<H: DatagramRequestHandler<S> + ?Sized, S> DatagramRequestHandler<S> for Box<H> {
    fn setup(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        (**self).setup(request)
    }

    fn handle(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        (**self).handle(request)
    }

    fn finish(&mut self, request: &mut DatagramRequest<'_, S>) -> Result {
        (**self).finish(request)
    }
}

/// One packet, as its handler sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct DatagramRequest<'a, S = ()> {
    /// The packet's bytes.
    pub packet: &'a [u8],
    /// The same bytes, to read from.
    pub rfile: Cursor<&'a [u8]>,
    /// The reply.
    pub wfile: Vec<u8>,
    /// The client's address.
    pub client_address: &'a Address,
    /// The server: shared state and overridden hooks.
    pub server: &'a S,
    /// Stops the server.
    pub shutdown_handle: &'a ShutdownHandle,
    datagram: &'a Arc<Packet>,
    handle_failed: bool,
}

impl<S> DatagramRequest<'_, S> {
    /// Sends what is in `wfile` to the client as one packet, even if that is nothing.
    ///
    /// # Errors
    ///
    /// As [`Packet::send_to`].
    pub fn send_reply(&mut self) -> io::Result<()> {
        self.send_to(&self.wfile, self.client_address).map(drop)
    }

    /// Sends a packet to an address of the handler's choice, from the server's socket.
    ///
    /// # Errors
    ///
    /// As [`Packet::send_to`].
    pub fn send_to(&self, data: &[u8], address: &Address) -> io::Result<usize> {
        self.datagram.send_to(data, address)
    }

    /// Sends what is in `wfile`, if there is something and `handle` did not fail: the whole of
    /// the default [`finish`](DatagramRequestHandler::finish).
    ///
    /// # Errors
    ///
    /// As [`Packet::send_to`].
    pub fn finish(&mut self) -> Result {
        if self.wfile.is_empty() || self.handle_failed {
            return Ok(());
        }
        Ok(self.send_reply()?)
    }

    /// Whether the packet was longer than the server's `max_packet_size`, and its end is lost.
    pub fn is_truncated(&self) -> bool {
        self.datagram.is_truncated()
    }

    /// The packet itself, to keep or to hand to another thread, which may answer later.
    pub fn datagram(&self) -> &Arc<Packet> {
        self.datagram
    }
}
