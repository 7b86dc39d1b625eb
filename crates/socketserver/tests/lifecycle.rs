//! How a server comes to be: defaults, binding, what is refused, and what a failure leaves behind.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "lifecycle/addresses.rs"]
mod addresses;
mod common;
#[path = "lifecycle/defaults.rs"]
mod defaults;
#[path = "lifecycle/inherited.rs"]
mod inherited;
#[path = "lifecycle/refused.rs"]
mod refused;
#[path = "lifecycle/reuse.rs"]
mod reuse;
#[path = "lifecycle/unix.rs"]
mod unix;
#[path = "lifecycle/window.rs"]
mod window;
