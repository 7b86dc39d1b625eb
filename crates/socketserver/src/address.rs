use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};

use socketserver_sys::datagram::UnixName;

/// Where a request came from, or where a server listens: Python's `client_address` and
/// `server_address`.
///
/// One type for every transport, so that a handler can move between them unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IPv4 or IPv6 address and port.
    ///
    /// A client that reached an IPv6 socket over IPv4 has its IPv4 address here, never the
    /// `::ffff:` form.
    Inet(SocketAddr),
    /// A Unix socket's path; `None` for an unnamed socket, as most clients' are.
    Unix(Option<PathBuf>),
    /// A name in Linux's abstract name space, without the leading NUL.
    Abstract(Vec<u8>),
    /// An address that only its own transport understands, such as the number of a job.
    Other(String),
}

impl Address {
    /// The IP address, if this is an internet address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.as_inet().map(|address| address.ip())
    }

    /// The internet address and port, if this is one.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            _ => None,
        }
    }

    /// The path, if this is a Unix socket that has one.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            _ => None,
        }
    }

    /// The Unix socket that this is the name of, if it is one.
    pub(crate) fn to_unix_name(&self) -> Option<UnixName> {
        match self {
            Self::Unix(None) => Some(UnixName::Unnamed),
            Self::Unix(Some(path)) => Some(UnixName::Path(path.clone())),
            Self::Abstract(name) => Some(UnixName::Abstract(name.clone())),
            Self::Inet(_) | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Address {
    /// Writes `127.0.0.1:80`, `[::1]:80`, a path, `@` and an abstract name, or `(unnamed)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(Some(path)) => path.display().fmt(f),
            Self::Unix(None) => f.write_str("(unnamed)"),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            ip @ IpAddr::V4(_) => Self::Inet(SocketAddr::new(ip, address.port())),
            // As it is, with its flow label and scope.
            IpAddr::V6(_) => Self::Inet(address),
        }
    }
}

impl From<net::SocketAddr> for Address {
    fn from(address: net::SocketAddr) -> Self {
        match address.as_abstract_name() {
            Some(name) => Self::Abstract(name.to_vec()),
            None => Self::Unix(address.as_pathname().map(Path::to_path_buf)),
        }
    }
}

impl From<UnixName> for Address {
    fn from(name: UnixName) -> Self {
        match name {
            UnixName::Unnamed => Self::Unix(None),
            UnixName::Path(path) => Self::Unix(Some(path)),
            UnixName::Abstract(name) => Self::Abstract(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_mapped_address_is_shown_as_what_it_is() {
        let shown =
            |text: &str| Address::from(text.parse::<std::net::SocketAddr>().unwrap()).to_string();
        assert_eq!(shown("[::ffff:192.0.2.1]:7"), "192.0.2.1:7");
        assert_eq!(shown("[fe80::1%3]:7"), "[fe80::1%3]:7");
    }
}
