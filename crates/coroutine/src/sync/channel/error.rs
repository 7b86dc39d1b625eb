//! Why something could not be sent or received.

use std::fmt;
use std::io;

use crate::park::{Cut, was_cut};

/// Why [`send`](super::Sender::send) failed, with what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// Nobody is left who could receive it.
    Disconnected(T),
    /// The coroutine was cut while it waited.
    Cut(T),
}

/// Why [`try_send`](super::Sender::try_send) failed, with what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The channel is full; one without a buffer, that nobody waits to receive.
    Full(T),
    /// Nobody is left who could receive it.
    Disconnected(T),
}

/// Why [`send_timeout`](super::Sender::send_timeout) failed, with what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The time is up.
    Timeout(T),
    /// Nobody is left who could receive it.
    Disconnected(T),
    /// The coroutine was cut while it waited.
    Cut(T),
}

/// Why [`recv`](super::Receiver::recv) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// The channel is empty, and nobody is left who could send.
    Disconnected,
    /// The coroutine was cut while it waited.
    Cut,
}

/// Why [`try_recv`](super::Receiver::try_recv) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The channel is empty.
    Empty,
    /// The channel is empty, and nobody is left who could send.
    Disconnected,
}

/// Why [`recv_timeout`](super::Receiver::recv_timeout) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The time is up.
    Timeout,
    /// The channel is empty, and nobody is left who could send.
    Disconnected,
    /// The coroutine was cut while it waited.
    Cut,
}

const NOBODY_RECEIVES: &str = "nobody is left to receive from the channel";
const NOBODY_SENDS: &str = "the channel is empty, and nobody is left to send";
const FULL: &str = "the channel is full";
const EMPTY: &str = "the channel is empty";
const TIMEOUT: &str = "the time for the channel is up";
const CUT: &str = "the coroutine was cut while it waited for the channel";

/// Only a cut aborts.
fn source(kind: io::ErrorKind) -> Option<&'static (dyn std::error::Error + 'static)> {
    (kind == io::ErrorKind::ConnectionAborted).then_some(&Cut)
}

fn io_error(kind: io::ErrorKind, text: &'static str) -> io::Error {
    match kind {
        io::ErrorKind::ConnectionAborted => was_cut(),
        kind => io::Error::new(kind, text),
    }
}

/// What an error of sending has in common: it gives the value back, says why, and is an
/// [`io::Error`] by its reason.
macro_rules! sending {
    ($name:ident: $($variant:ident = $text:ident, $kind:ident;)+) => {
        impl<T> $name<T> {
            /// What was to be sent.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$variant(value))|+ => value,
                }
            }
        }

        // Without the value, which need not be `Debug` for the error to be told.
        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str(concat!(stringify!($variant), "(..)")),)+
                }
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str($text),)+
                }
            }
        }

        impl<T> std::error::Error for $name<T> {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $(Self::$variant(_) => source(io::ErrorKind::$kind),)+
                }
            }
        }

        impl<T> From<$name<T>> for io::Error {
            fn from(error: $name<T>) -> Self {
                match error {
                    $($name::$variant(_) => io_error(io::ErrorKind::$kind, $text),)+
                }
            }
        }
    };
}

sending!(SendError:
    Disconnected = NOBODY_RECEIVES, BrokenPipe;
    Cut = CUT, ConnectionAborted;
);
sending!(TrySendError:
    Full = FULL, WouldBlock;
    Disconnected = NOBODY_RECEIVES, BrokenPipe;
);
sending!(SendTimeoutError:
    Timeout = TIMEOUT, TimedOut;
    Disconnected = NOBODY_RECEIVES, BrokenPipe;
    Cut = CUT, ConnectionAborted;
);

/// The same for an error of receiving, which has no value.
macro_rules! receiving {
    ($name:ident: $($variant:ident = $text:ident, $kind:ident;)+) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)+
                })
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $(Self::$variant => source(io::ErrorKind::$kind),)+
                }
            }
        }

        impl From<$name> for io::Error {
            fn from(error: $name) -> Self {
                match error {
                    $($name::$variant => io_error(io::ErrorKind::$kind, $text),)+
                }
            }
        }
    };
}

receiving!(RecvError:
    Disconnected = NOBODY_SENDS, BrokenPipe;
    Cut = CUT, ConnectionAborted;
);
receiving!(TryRecvError:
    Empty = EMPTY, WouldBlock;
    Disconnected = NOBODY_SENDS, BrokenPipe;
);
receiving!(RecvTimeoutError:
    Timeout = TIMEOUT, TimedOut;
    Disconnected = NOBODY_SENDS, BrokenPipe;
    Cut = CUT, ConnectionAborted;
);
