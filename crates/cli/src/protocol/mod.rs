//! The protocols that the command speaks itself, each over connections and over datagrams.

mod chargen;
mod daytime;
mod discard;
mod echo;
mod receive;
mod time;

use std::io;

use clap::ValueEnum;
use socketserver::transport::Connection;

/// A built-in protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// RFC 862: sends back what it is sent
    Echo,
    /// RFC 863: takes what it is sent and answers nothing
    Discard,
    /// RFC 864: sends lines of characters without end; to a datagram, up to 512 characters
    Chargen,
    /// RFC 867: sends the day and the time, in UTC, as a line of text
    Daytime,
    /// RFC 868: sends the seconds since 1900 as four bytes
    Time,
}

impl Protocol {
    /// Serves one connection to its end. What the client sends and nobody reads is the server's
    /// to drop, when it closes.
    pub(crate) fn serve(self, connection: &dyn Connection) -> io::Result<()> {
        match self {
            Self::Echo => echo::serve(connection),
            Self::Discard => discard::serve(connection),
            Self::Chargen => chargen::serve(connection),
            Self::Daytime => connection.send_all(daytime::now().as_bytes()),
            Self::Time => connection.send_all(&time::now()),
        }
    }

    /// The reply to one datagram; it may well be an empty one. `None` for no reply.
    pub(crate) fn answer(self, packet: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Echo => Some(packet.to_vec()),
            Self::Discard => None,
            Self::Chargen => Some(chargen::answer()),
            Self::Daytime => Some(daytime::now().into_bytes()),
            Self::Time => Some(time::now().to_vec()),
        }
    }
}
