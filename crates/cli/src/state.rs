//! What the server of one endpoint knows, and what it decides.

use std::io;
use std::sync::{Arc, OnceLock, Weak};

use socketserver::observe::{AcceptAction, Event};
use socketserver::transport::{Tombstone, Transport};
use socketserver::{Address, BaseServer, Failed, Failure, FinishRequest, RequestError};
use socketserver_sys::socket::SocketKind;
use socketserver_sys::waker::Waker;

use crate::handler::Service;
use crate::log::Log;
use crate::program::Cut;
use crate::serve::Serve;

/// The ports of services that answer whatever they are sent. A datagram that says that it comes
/// from there was made up to let the two answer each other without end.
const SMALL_SERVICES: [u16; 5] = [7, 13, 17, 19, 37];

/// The server of one endpoint.
#[derive(Debug)]
pub(crate) struct State {
    kind: SocketKind,
    service: Arc<Service>,
    log: Log,
    /// The process that serves; any other is a forked child of it.
    process: u32,
    /// Readable when the server cuts what still runs.
    cut: Waker,
    bound: OnceLock<Bound>,
    /// The servers of the other endpoints, if one process serves all of them and forks.
    others: OnceLock<Vec<Weak<dyn Serve>>>,
    /// Why no client can be taken any more.
    lost: OnceLock<String>,
}

/// What is known when the socket is bound.
#[derive(Debug)]
struct Bound {
    /// Where, in the notation of endpoints.
    name: String,
    address: Address,
}

impl State {
    pub(crate) fn new(kind: SocketKind, service: Arc<Service>, log: Log) -> io::Result<Self> {
        Ok(Self {
            kind,
            service,
            log,
            process: std::process::id(),
            cut: Waker::new()?,
            bound: OnceLock::new(),
            others: OnceLock::new(),
            lost: OnceLock::new(),
        })
    }

    /// Notes where the server is. Called once, before it serves.
    pub(crate) fn set_bound(&self, name: String, address: Address) {
        let _ = self.bound.set(Bound { name, address });
    }

    /// Notes what else is served by this process. Called once, before it serves.
    pub(crate) fn set_others(&self, others: Vec<Weak<dyn Serve>>) {
        let _ = self.others.set(others);
    }

    pub(crate) fn kind(&self) -> SocketKind {
        self.kind
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Where the server is, in the notation of endpoints.
    pub(crate) fn name(&self) -> &str {
        self.bound.get().map_or("", |bound| &bound.name)
    }

    /// Where the server is.
    pub(crate) fn address(&self) -> &Address {
        const NOWHERE: &Address = &Address::Unix(None);
        self.bound.get().map_or(NOWHERE, |bound| &bound.address)
    }

    /// Why no client can be taken any more, if so it is.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// What tells a program's keeper to end it.
    pub(crate) fn cut(&self) -> io::Result<Cut<'_>> {
        if self.is_in_child() { Cut::by_signal() } else { Ok(Cut::Waker(&self.cut)) }
    }

    fn is_in_child(&self) -> bool {
        std::process::id() != self.process
    }

    /// Hears of everything that the server does.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Cut { .. } => self.cut.wake(),
            Event::AcceptError { error, action: AcceptAction::Stop, .. } => {
                let _ = self.lost.set(error.to_string());
            }
            _ => {}
        }
        self.log.event(self.name(), event);
    }

    /// In a forked child: closes the sockets of the other endpoints, which would stay taken for as
    /// long as the child runs, even if the server has ended.
    fn close_others(&self) {
        let others = self.others.get().into_iter().flatten().filter_map(Weak::upgrade);
        let Ok(tombstone) = Tombstone::new() else { return };
        for other in others {
            let _ = tombstone.bury(other.as_fd());
        }
    }
}

impl<T: Transport> BaseServer<T> for State {
    /// Refuses datagrams for a built-in protocol that come from the like of it, or from itself.
    fn verify_request(&self, _: &T::Request, client_address: &Address) -> bool {
        let port_of = |address: &Address| address.as_inet().map(|address| address.port());
        let is_protocol = matches!(*self.service, Service::Protocol { .. });
        let port = port_of(client_address);
        let is_service = port.is_some_and(|port| port == 0 || SMALL_SERVICES.contains(&port));
        // On whichever of this host's addresses, or on another host that serves as this one does.
        let is_like_us = port == port_of(self.address());
        !(is_protocol && self.kind == SocketKind::Udp && (is_service || is_like_us))
    }

    fn finish_request(&self, request: FinishRequest<'_, T::Kind, Self>) -> Result<(), Failed> {
        if self.is_in_child() {
            self.close_others();
        }
        request.finish()
    }

    /// Logs what the observer does not hear of, and prints nothing.
    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        if let failure @ Failure::Process(_) = error.failure() {
            self.log.not_started(self.name(), client_address, failure);
        }
    }
}
