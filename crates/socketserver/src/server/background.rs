use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::pending::Pending;
use super::{DrainReport, Server};
use crate::hooks::BaseServer;
use crate::mixin::MixIn;
use crate::transport::Transport;

/// How long a guard that is dropped waits for requests that run.
const DROP_DEADLINE: Duration = Duration::from_secs(1);

/// A server that serves in the background, until [`stop`](Self::stop) or until this is dropped;
/// made by [`Server::spawn`].
///
/// It derefs to the server. Dropping it stops the loop, waits up to a second for requests that
/// run, and cuts the rest.
pub struct Background<T, M, H, S = ()>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    server: Arc<Server<T, M, H, S>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl<T, M, H, S> Server<T, M, H, S>
where
    T: Transport + Send + Sync + 'static,
    T::Socket: Send + Sync,
    T::Request: Send + Sync,
    M: MixIn<Pending<T, S>> + Send + Sync + 'static,
    H: 'static,
    S: BaseServer<T> + Send + Sync + 'static,
{
    /// Serves on a thread of its own, and returns at once. The server is ready: it was when it
    /// was bound.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the server has been closed, or that no thread could be had; the server
    /// is closed then.
    pub fn spawn(self) -> io::Result<Background<T, M, H, S>> {
        // Begun here, so that a stop that comes before the thread runs is not lost.
        let serving = self.core.shutdown_handle.0.begin()?;
        let server = Arc::new(self);
        let thread = thread::Builder::new().name("socketserver".into());
        let in_thread = Arc::clone(&server);
        let thread = thread.spawn(move || in_thread.serve(serving))?;
        Ok(Background { server, thread: Some(thread) })
    }
}

impl<T, M, H, S> Background<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    /// Stops the loop, closes the server as [`Server::drain`] does, and joins the thread.
    ///
    /// # Errors
    ///
    /// That with which the loop had ended.
    pub fn stop(mut self, deadline: Option<Duration>) -> io::Result<DrainReport> {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Option<Duration>) -> io::Result<DrainReport> {
        // Not `shutdown`, which would wait for a synchronous server's request without a limit.
        self.server.core.shutdown_handle.request_shutdown();
        let report = self.server.drain(deadline);
        match self.thread.take() {
            // A synchronous handler that nothing can interrupt has the thread.
            Some(_) if report.unfinished > 0 => {}
            Some(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the serving thread panicked")))?,
            None => {}
        }
        Ok(report)
    }
}

impl<T, M, H, S> Deref for Background<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    type Target = Server<T, M, H, S>;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

impl<T, M, H, S> Drop for Background<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>>,
    S: BaseServer<T>,
{
    fn drop(&mut self) {
        if self.thread.is_some() {
            // An error of the loop has nobody to go to; `stop` returns it.
            let _ = self.end(Some(DROP_DEADLINE));
        }
    }
}

impl<T, M, H, S> fmt::Debug for Background<T, M, H, S>
where
    T: Transport,
    M: MixIn<Pending<T, S>> + fmt::Debug,
    S: BaseServer<T>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Background").field(&self.server).finish()
    }
}
