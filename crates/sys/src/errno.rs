//! The numbers of errors that a server tells apart.

use nix::libc;

pub use libc::{EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP};
pub use libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};

/// Errors of `accept(2)` that are one client's, or the network's on the way to it: the next
/// client may well be served.
pub const OF_CLIENT: [i32; 12] = [
    libc::EPERM,
    libc::ENONET,
    libc::EPROTO,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::ENETDOWN,
    libc::ENETUNREACH,
    libc::ECONNABORTED,
    libc::ECONNRESET,
    libc::ETIMEDOUT,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
];
