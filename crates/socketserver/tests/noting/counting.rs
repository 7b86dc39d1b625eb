use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socketserver::transport::{Connection, Kind, Stream, Transport};
use socketserver::{Address, BaseServer, Failed, FinishRequest, RequestError};
use testkit::Trace;

/// The state of a stream server that counts what is sent on its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    pub(crate) trace: Arc<Trace>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Counting {
    /// What each `send` on any connection has sent so far.
    pub(crate) fn sent(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sent.iter().map(|sent| String::from_utf8_lossy(sent));
        sent.map(|sent| sent.into_owned()).collect()
    }
}

impl<T: Transport<Kind = Stream>> BaseServer<T> for Counting {
    fn finish_request(&self, request: FinishRequest<'_, Stream, Self>) -> Result<(), Failed> {
        let counted =
            Counted { inner: Arc::clone(request.request()), sent: Arc::clone(&self.sent) };
        let counted: Arc<<Stream as Kind>::Request> = Arc::new(counted);
        request.with_request(counted).finish()
    }

    fn handle_error(&self, error: &RequestError, _: &Address) {
        self.trace.note(super::told(error));
    }
}

/// A connection that keeps a copy of what each `send` has sent.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn Connection>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Connection for Counted {
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.recv(buf)
    }

    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        let len = self.inner.send(buf)?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(buf[..len].to_vec());
        Ok(len)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_timeout(timeout)
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }
}
