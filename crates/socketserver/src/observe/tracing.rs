use tracing::{debug, info, warn};

use super::{Event, Observer};
use crate::error::Failed;

/// Turns events into events of the `tracing` crate, with the target `socketserver`.
///
/// Requests that start and end, and clients that merely went away, are told at the level
/// *debug*; what the server begins and ends doing at *info*; what somebody should look at,
/// requests that failed among it, at *warn*.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tracing {}

const TARGET: &str = "socketserver";

impl Observer for Tracing {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Listening { server_address } => {
                info!(target: TARGET, %server_address, "listening");
            }
            Event::Started { client_address } => {
                debug!(target: TARGET, %client_address, "request started");
            }
            Event::Finished { client_address, elapsed, failed: Some(failed) }
                if !failed.is_disconnect() && !failed.is_cut() =>
            {
                let error = &failed.failure;
                warn!(target: TARGET, %client_address, ?elapsed, %error, "request failed");
            }
            Event::Finished { client_address, elapsed, failed } => {
                let disconnected = failed.is_some_and(Failed::is_disconnect);
                debug!(target: TARGET, %client_address, ?elapsed, disconnected, "request finished");
            }
            Event::NotStarted { client_address, failed } => {
                let error = &failed.failure;
                warn!(target: TARGET, %client_address, %error, "request not started");
            }
            Event::Refused { client_address } => {
                info!(target: TARGET, %client_address, "request refused");
            }
            Event::AcceptError { error, action, untold } => {
                warn!(target: TARGET, %error, ?action, untold, "cannot accept");
            }
            Event::HookPanicked { hook } => warn!(target: TARGET, hook, "hook panicked"),
            Event::Cut { client_address, age } => {
                warn!(target: TARGET, %client_address, ?age, "request cut");
            }
            Event::NotSent { client_address, error } => {
                warn!(target: TARGET, %client_address, %error, "reply not sent");
            }
            Event::Blocked { handler, elapsed } => {
                warn!(target: TARGET, handler, ?elapsed, "handler kept its thread");
            }
            Event::FallBack { what } => {
                info!(target: TARGET, what, "the kernel cannot, so without")
            }
            Event::Closed { server_address } => info!(target: TARGET, %server_address, "closed"),
        }
    }
}
