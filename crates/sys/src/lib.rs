//! The system calls under `socketserver`, as safe functions, and no policy.
//!
//! Everything here that needs `unsafe` needs it in one line whose reason stands above it; what
//! [`rustix`](https://docs.rs/rustix) or [`nix`](https://docs.rs/nix) offer safely is used from
//! there. The crate serves `socketserver` and promises stability to nobody else.
//!
//! | module | what is in it |
//! |---|---|
//! | [`datagram`] | receiving with the destination address and truncation, sending from an address |
//! | [`descriptor`] | waiting on descriptors, closing one while keeping its number, inherited ones |
//! | [`errno`] | the errors that a server tells apart |
//! | [`lock`] | a lock that processes share |
//! | [`process`] | `fork`, waiting for one child by its pidfd |
//! | [`signal`] | a signal that wakes instead of killing |
//! | [`socket`] | options that the socket crates lack, peer credentials |
//! | [`waker`] | an event that makes a descriptor readable |

#![cfg(target_os = "linux")]
// Standard output is the program's.
#![warn(clippy::print_stdout)]

pub mod datagram;
pub mod descriptor;
pub mod errno;
pub mod lock;
pub mod process;
pub mod signal;
pub mod socket;
pub mod waker;
