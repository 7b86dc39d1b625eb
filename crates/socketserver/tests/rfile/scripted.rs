//! Connections whose bytes come as a test says, without a socket.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::handler::Rfile;
use socketserver::mixin::Synchronous;
use socketserver::transport::{Connection, ServerBind, Stream, Transport};
use socketserver::{
    Address, BaseServer, Outcome, RequestError, Result, Server, StreamRequest, StreamRequestHandler,
};

/// What one `recv` finds.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// That these bytes have come.
    Bytes(Vec<u8>),
    /// That a signal came before any byte.
    Interrupted,
    /// That nothing came for as long as the handler's timeout allows.
    TimedOut,
}

/// A connection whose client sends pieces, and then ends.
#[derive(Debug)]
pub(crate) struct Scripted {
    pieces: Mutex<VecDeque<Piece>>,
    taken: AtomicUsize,
    fd: UnixStream,
}

impl Scripted {
    pub(crate) fn new(pieces: Vec<Piece>) -> Arc<Self> {
        // Its other end is dropped, so that it is readable.
        let (fd, _) = UnixStream::pair().unwrap();
        Arc::new(Self { pieces: Mutex::new(pieces.into()), taken: 0.into(), fd })
    }

    /// How many bytes have been received.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

impl AsFd for Scripted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Connection for Scripted {
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "nothing was asked for");
        let mut pieces = self.pieces.lock().unwrap();
        match pieces.pop_front() {
            Some(Piece::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.len()));
                buf[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    pieces.push_front(Piece::Bytes(rest));
                }
                self.taken.fetch_add(bytes.len(), Ordering::SeqCst);
                Ok(bytes.len())
            }
            Some(Piece::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(Piece::TimedOut) => Err(io::ErrorKind::TimedOut.into()),
            None => Ok(0),
        }
    }

    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }

    fn set_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// A transport with one request: a scripted connection.
#[derive(Debug, Default)]
struct Once;

impl Transport for Once {
    type Kind = Stream;
    type Socket = Arc<Scripted>;
    type Request = Scripted;

    fn server_address(&self, _: &Self::Socket) -> io::Result<Address> {
        Ok(Address::Other("scripted".into()))
    }

    fn get_request(&self, socket: &Self::Socket) -> io::Result<(Arc<Scripted>, Address)> {
        Ok((Arc::clone(socket), Address::Other("script".into())))
    }

    fn connection(&self, request: &Arc<Scripted>) -> Arc<dyn Connection> {
        Arc::clone(request) as Arc<dyn Connection>
    }
}

impl ServerBind<Arc<Scripted>> for Once {
    fn server_bind(&self, script: Arc<Scripted>) -> io::Result<Self::Socket> {
        Ok(script)
    }
}

/// Keeps what the handler failed with.
#[derive(Debug, Default)]
struct Verdict(Mutex<Option<String>>);

impl<T: Transport> BaseServer<T> for Verdict {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        *self.0.lock().unwrap() = Some(error.to_string());
    }
}

type Test = dyn Fn(&mut Rfile) -> Result + Send + Sync;

/// A handler whose `rfile` is under test.
struct Reads {
    test: Arc<Test>,
    rbufsize: usize,
}

impl StreamRequestHandler<Verdict> for Reads {
    fn handle(&mut self, request: &mut StreamRequest<'_, Verdict>) -> Result {
        (self.test)(&mut request.rfile)
    }

    fn rbufsize(&self) -> usize {
        self.rbufsize
    }
}

/// Runs `test` with an `rfile` over `script`, and returns what it fails or panics with.
pub(crate) fn read(
    script: &Arc<Scripted>,
    rbufsize: usize,
    test: impl Fn(&mut Rfile) -> Result + Send + Sync + 'static,
) -> Result<(), String> {
    let test: Arc<Test> = Arc::new(test);
    let handler = move || Reads { test: Arc::clone(&test), rbufsize };
    let builder = Server::<Once, Synchronous, Reads>::builder(handler).server(Verdict::default());
    let server = builder.bind(Arc::clone(script)).unwrap();
    assert_eq!(server.handle_request().unwrap(), Outcome::Processed);
    let verdict = server.server().0.lock().unwrap().take();
    verdict.map_or(Ok(()), Err)
}
