use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::live::Live;
use crate::address::Address;
use crate::control::ShutdownHandle;
use crate::error::Failed;
use crate::hooks::{BaseServer, RequestError, Run};
use crate::observe::{Event, Observer};
use crate::transport::{Kind, OpenRequest, Tombstone, Transport};

/// What the server, its loops and its requests share.
pub(super) struct Core<T: Transport, S> {
    pub(super) transport: T,
    pub(super) socket: T::Socket,
    pub(super) server_address: Address,
    pub(super) server: Arc<S>,
    pub(super) run: Box<Run<T::Kind, S>>,
    /// The name of the handler's type.
    pub(super) handler: &'static str,
    pub(super) shutdown_handle: ShutdownHandle,
    pub(super) live: Live<T::Kind>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    /// A spare descriptor: given up for a moment when there is no other left, and laid over the
    /// server's socket when that is closed.
    pub(super) reserve: Mutex<Option<Tombstone>>,
    /// There is none, or may be none: another thread may take its number while it is given up.
    pub(super) is_reserve_lost: AtomicBool,
}

impl<T: Transport, S> Core<T, S> {
    pub(super) fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            let _ = catch_unwind(AssertUnwindSafe(|| observer.observe(event)));
        }
    }

    /// Runs a hook; `None` if it panicked, which is told and goes no further.
    pub(super) fn hook<R>(&self, name: &'static str, hook: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(hook)).ok();
        if result.is_none() {
            self.observe(&Event::HookPanicked { hook: name });
        }
        result
    }

    /// Closes the socket, once. Returns whether this call did it.
    pub(super) fn close(&self) -> bool {
        if !self.shutdown_handle.0.close() {
            return false;
        }
        // Loops that wait for the socket have been woken, and will not take it up again.
        self.with_reserve(|tombstone| {
            self.hook("server_close", || self.transport.server_close(&self.socket, tombstone))
        });
        self.shutdown_handle.0.wait_until_unwatched();
        self.observe(&Event::Closed { server_address: &self.server_address });
        true
    }

    /// Gives up, in a forked child, what is the parent's.
    pub(super) fn after_fork_in_child(&self) {
        let give_up = |tombstone: &Tombstone| {
            self.transport.after_fork_in_child(&self.socket, tombstone);
        };
        match self.reserve.try_lock().as_deref() {
            Ok(Some(tombstone)) => give_up(tombstone),
            // Another thread held it at the fork, and now does so for ever.
            _ => {
                let _ = Tombstone::new().as_ref().map(give_up);
            }
        }
    }

    /// Calls `f` with the spare descriptor, made anew if it had been lost; not at all if there is
    /// none to be had.
    pub(super) fn with_reserve<R>(&self, f: impl FnOnce(&Tombstone) -> R) -> Option<R> {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        if reserve.is_none() {
            *reserve = Tombstone::new().ok();
        }
        reserve.as_ref().map(f)
    }
}

impl<T: Transport, S: BaseServer<T>> Core<T, S> {
    /// Gives a failure to `handle_error`, and back to whoever else wants to hear of it; not with
    /// the request, for that is closed before they do.
    pub(super) fn handle_error(
        &self,
        failed: impl Into<Failed>,
        request: Option<&Arc<<T::Kind as Kind>::Request>>,
        client_address: &Address,
    ) -> Failed {
        let open = request.map_or(OpenRequest::None, <T::Kind as Kind>::open_request);
        let error = RequestError::new(failed.into(), open);
        self.hook("handle_error", || self.server.handle_error(&error, client_address));
        error.into_failed()
    }

    pub(super) fn finished(
        &self,
        client_address: &Address,
        since: Instant,
        failed: Option<&Failed>,
    ) {
        // The clock is not asked when nobody wants to know.
        if self.observer.is_some() {
            let elapsed = since.elapsed();
            self.observe(&Event::Finished { client_address, elapsed, failed });
        }
    }
}
