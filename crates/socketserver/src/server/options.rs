//! The setters of [`Builder`] that belong to one transport or one mix-in.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::Builder;
#[cfg(feature = "coroutine")]
use crate::mixin::{Backend, Coroutine};
use crate::mixin::{Forking, Threading};
use crate::transport::{BeforeBind, Tcp, Udp, UnixDatagram, UnixStream};

/// Makes a setter for each transport that has the field.
macro_rules! transport_setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $($transport:ident),+;)+) => {
        $(transport_setters!(@each [$(#[$doc])*] $name: $type => $($transport),+);)+
    };
    (@each $docs:tt $name:ident: $type:ty => $($transport:ident),+) => {
        $(transport_setters!(@one $docs $name: $type => $transport);)+
    };
    (@one [$(#[$doc:meta])*] $name:ident: $type:ty => $transport:ident) => {
        impl<M, H, S> Builder<$transport, M, H, S> {
            $(#[$doc])*
            pub fn $name(mut self, $name: $type) -> Self {
                self.transport.$name = $name;
                self
            }
        }
    };
}

transport_setters! {
    /// Whether to bind to an address that connections of an earlier server still wait on in
    /// TIME_WAIT (`SO_REUSEADDR`). On by default for TCP, so that a server can be started again
    /// at once, and off for UDP, where it would let two servers share a port unawares. Python's
    /// default is off for both.
    allow_reuse_address: bool => Tcp, Udp;

    /// Whether several servers may be bound to the same address, among which the kernel spreads
    /// the clients (`SO_REUSEPORT`). Off by default, as in Python.
    allow_reuse_port: bool => Tcp, Udp;

    /// Whether a server bound to `[::]` leaves IPv4 alone (`IPV6_V6ONLY`). Off by default: it
    /// serves both, whatever the system's own default.
    ipv6_only: bool => Tcp, Udp;

    /// How many connections may wait in the kernel's queue (the backlog of `listen(2)`). 4096 by
    /// default, and at most what `net.core.somaxconn` says; Python's default is 5.
    request_queue_size: i32 => Tcp, UnixStream;

    /// How long closing a connection waits, at the most, for a client that still sends when its
    /// request has ended, so that the reply is not cut. Two seconds by default; zero for not at
    /// all. A connection without unread input is closed at once in any case.
    linger: Duration => Tcp, UnixStream;

    /// How many bytes are read of one datagram, at the most; a longer one is
    /// [told](crate::DatagramRequest::is_truncated) to be truncated. 64 KiB by default, all that
    /// UDP can carry; Python's default is 8 KiB.
    max_packet_size: usize => Udp, UnixDatagram;

    /// How long a reply waits, at the most, for room in the client's queue. One second by
    /// default; Python waits for ever.
    send_timeout: Duration => Udp, UnixDatagram;
}

/// Makes the setters that every transport with sockets has.
macro_rules! before_bind {
    ($($transport:ident),+) => {
        $(impl<M, H, S> Builder<$transport, M, H, S> {
            /// Calls `hook` with the server's socket before it is bound, to set options that
            /// there is no setter for. With several addresses to try, it is called for each.
            ///
            /// An error of it ends the server's construction. In Python this is the time between
            /// a construction with `bind_and_activate=False` and `server_bind`.
            pub fn before_bind(
                mut self,
                hook: impl Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
            ) -> Self {
                self.transport.before_bind = BeforeBind::new(hook);
                self
            }
        })+
    };
}

before_bind!(Tcp, Udp, UnixDatagram, UnixStream);

macro_rules! unix_path {
    ($($transport:ident),+) => {
        $(impl<M, H, S> Builder<$transport, M, H, S> {
            /// The permissions of the socket's path, such as `0o660`; at no time are they wider.
            /// By default what the umask leaves of `0o777`.
            pub fn mode(mut self, mode: u32) -> Self {
                self.transport.set_mode(mode);
                self
            }

            /// The owner and the group of the socket's path; `None` leaves as it is. Only root
            /// may give a path away.
            pub fn owner(
                mut self,
                uid: impl Into<Option<u32>>,
                gid: impl Into<Option<u32>>,
            ) -> Self {
                self.transport.set_owner(uid.into(), gid.into());
                self
            }
        })+
    };
}

unix_path!(UnixDatagram, UnixStream);

impl<T, H, S> Builder<T, Threading, H, S> {
    /// See [`Threading::daemon_threads`]. Off by default.
    pub fn daemon_threads(mut self, daemon_threads: bool) -> Self {
        self.mixin.daemon_threads = daemon_threads;
        self
    }

    /// See [`Threading::block_on_close`]. On by default.
    pub fn block_on_close(mut self, block_on_close: bool) -> Self {
        self.mixin.block_on_close = block_on_close;
        self
    }

    /// See [`Threading::max_threads`]. 1024 by default.
    pub fn max_threads(mut self, max_threads: usize) -> Self {
        self.mixin.max_threads = max_threads;
        self
    }
}

impl<T, H, S> Builder<T, Forking, H, S> {
    /// See [`Forking::max_children`]. 40 by default.
    pub fn max_children(mut self, max_children: usize) -> Self {
        self.mixin.max_children = max_children;
        self
    }

    /// See [`Forking::block_on_close`]. On by default.
    pub fn block_on_close(mut self, block_on_close: bool) -> Self {
        self.mixin.block_on_close = block_on_close;
        self
    }

    /// See [`Forking::allow_threads`]. Off by default.
    pub fn allow_threads(mut self, allow_threads: bool) -> Self {
        self.mixin.allow_threads = allow_threads;
        self
    }
}

#[cfg(feature = "coroutine")]
impl<T, H, S> Builder<T, Coroutine, H, S> {
    /// See [`Coroutine::workers`]. As many as the process may use cores, by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.mixin.workers = workers;
        self
    }

    /// See [`Coroutine::stack_size`], in bytes. 256 KiB by default.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.mixin.stack_size = stack_size;
        self
    }

    /// See [`Coroutine::max_coroutines`]. 100,000 by default.
    pub fn max_coroutines(mut self, max_coroutines: usize) -> Self {
        self.mixin.max_coroutines = max_coroutines;
        self
    }

    /// See [`Coroutine::hibernate_after`]. `None`, never, by default.
    pub fn hibernate_after(mut self, hibernate_after: impl Into<Option<Duration>>) -> Self {
        self.mixin.hibernate_after = hibernate_after.into();
        self
    }

    /// See [`Coroutine::backend`]. [`Backend::Auto`] by default.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.mixin.backend = backend;
        self
    }

    /// See [`Coroutine::block_on_close`]. On by default.
    pub fn block_on_close(mut self, block_on_close: bool) -> Self {
        self.mixin.block_on_close = block_on_close;
        self
    }
}
