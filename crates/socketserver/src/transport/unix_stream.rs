use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, Type};
use socketserver_sys::socket::SocketKind;

use super::linger::{self, linger};
use super::tcp::REQUEST_QUEUE_SIZE;
use super::unix_path::{self, Access, Bound};
use super::{BeforeBind, Connection, ServerBind, Stream, Tombstone, Transport, expect, name_error};
use crate::address::Address;
use crate::wait::{self, Peer, is_at_end};

/// Stream sockets in the file system or in the abstract name space: Python's `UnixStreamServer`.
///
/// Its address is a path; a name after a leading NUL is abstract, and an empty path is an
/// abstract name of the kernel's choice. A path is replaced only when it is a socket that nobody
/// answers, and is removed when the server is closed, if it is still the server's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnixStream {
    /// See [`Builder::request_queue_size`](crate::Builder::request_queue_size).
    pub request_queue_size: i32,
    /// See [`Builder::linger`](crate::Builder::linger).
    pub linger: Duration,
    pub(super) access: Access,
    pub(crate) before_bind: BeforeBind,
}

impl Default for UnixStream {
    fn default() -> Self {
        Self {
            request_queue_size: REQUEST_QUEUE_SIZE,
            linger: linger::DEFAULT,
            access: Access::default(),
            before_bind: BeforeBind::default(),
        }
    }
}

impl UnixStream {
    pub(crate) fn set_mode(&mut self, mode: u32) {
        self.access.mode = Some(mode);
    }

    pub(crate) fn set_owner(&mut self, uid: Option<u32>, gid: Option<u32>) {
        (self.access.uid, self.access.gid) = (uid, gid);
    }
}

impl<P: AsRef<Path>> ServerBind<P> for UnixStream {
    fn server_bind(&self, path: P) -> io::Result<Self::Socket> {
        let bound = unix_path::bind(path.as_ref(), Type::STREAM, self.access, &self.before_bind)?;
        Ok(bound.map(net::UnixListener::from))
    }
}

impl Transport for UnixStream {
    type Kind = Stream;
    type Socket = Bound<net::UnixListener>;
    type Request = net::UnixStream;

    fn server_activate(&self, socket: &Self::Socket) -> io::Result<()> {
        expect(socket.as_fd(), SocketKind::UnixStream)?;
        SockRef::from(&socket.socket)
            .listen(self.request_queue_size)
            .map_err(|error| name_error(&error, "listen on", format_args!("{socket:?}")))?;
        socket.socket.set_nonblocking(true)
    }

    fn server_address(&self, socket: &Self::Socket) -> io::Result<Address> {
        socket.socket.local_addr().map(Address::from)
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<net::UnixStream>, Address)> {
        let (stream, address) = match wait::accept(socket.as_fd()) {
            None => socket.socket.accept()?,
            Some(accepted) => {
                let (stream, peer) = accepted?;
                let stream = net::UnixStream::from(stream);
                let address = match peer {
                    Peer::Unix(Some(address)) => *address,
                    _ => stream.peer_addr()?,
                };
                (stream, address)
            }
        };
        Ok((Arc::new(stream), address.into()))
    }

    fn connection(&self, request: &Arc<net::UnixStream>) -> Arc<dyn Connection> {
        Arc::clone(request) as Arc<dyn Connection>
    }

    fn shutdown_request(&self, request: &net::UnixStream) {
        // With nothing left to read, the close alone says that it is the end.
        if is_at_end(request.as_fd()) {
            return;
        }
        // An error says that the client has gone, and then there is nothing to wait for.
        if request.shutdown(Shutdown::Write).is_ok() {
            linger(request.as_fd(), self.linger);
        }
    }

    fn close_request(&self, request: Arc<net::UnixStream>) {
        match Arc::try_unwrap(request) {
            Ok(request) => wait::close(request.into()),
            // A handler has kept the connection, so this does not close it.
            Err(request) if is_at_end(request.as_fd()) => {
                let _ = request.shutdown(Shutdown::Write);
            }
            Err(_) => {}
        }
    }

    fn server_close(&self, socket: &Self::Socket, tombstone: &Tombstone) -> io::Result<()> {
        socket.close(tombstone)
    }

    fn after_fork_in_child(&self, socket: &Self::Socket, tombstone: &Tombstone) {
        // Not `close`: the path is the parent's.
        let _ = tombstone.bury(socket.as_fd());
    }
}
