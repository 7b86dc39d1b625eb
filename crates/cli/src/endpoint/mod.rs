//! Where to serve, as a string: `tcp://127.0.0.1:7000`, `unix:/run/app.sock?mode=660`, `fd:3`.
//!
//! Writing an [`Endpoint`] and parsing what was written gives the same one again.

mod error;
mod parse;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use socketserver::Address;

/// Where to serve, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) place: Place,
    pub(crate) options: Options,
}

/// Where to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address and port of this host.
    Inet { scheme: Inet, host: String, port: u16 },
    /// A path, or an abstract name.
    Unix { scheme: Unix, name: Name },
    /// A socket that this process was started with.
    Descriptor(RawFd),
}

/// What runs over IP, and over which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inet {
    pub(crate) is_udp: bool,
    pub(crate) family: Family,
}

/// Which addresses a host name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6; both at once, on `[::]`.
    Any,
    V4,
    /// IPv6 alone.
    V6,
}

/// What runs over a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unix {
    Stream,
    Datagram,
}

/// What a Unix socket is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// What stands after the `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) backlog: Option<i32>,
    pub(crate) reuse_port: bool,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<Owner>,
}

/// Whose a path shall be; `None` leaves as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Place {
    /// What stands before the colon.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Inet { scheme, .. } => match (scheme.is_udp, scheme.family) {
                (false, Family::Any) => "tcp",
                (false, Family::V4) => "tcp4",
                (false, Family::V6) => "tcp6",
                (true, Family::Any) => "udp",
                (true, Family::V4) => "udp4",
                (true, Family::V6) => "udp6",
            },
            Self::Unix { scheme: Unix::Stream, .. } => "unix",
            Self::Unix { scheme: Unix::Datagram, .. } => "unixgram",
            Self::Descriptor(_) => "fd",
        }
    }
}

impl Name {
    /// As `bind` wants it: an abstract name stands after a NUL.
    pub(crate) fn to_path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Abstract(name) => {
                let mut bytes = vec![0];
                bytes.extend_from_slice(name);
                OsString::from_vec(bytes).into()
            }
        }
    }
}

/// Writes where a server is, in the notation of endpoints.
pub(crate) fn located(scheme: &str, address: &Address) -> String {
    match address {
        Address::Inet(address) => format!("{scheme}://{address}"),
        Address::Unix(Some(path)) => format!("{scheme}:{}", Escaped::path(path)),
        Address::Abstract(name) => format!("{scheme}:@{}", Escaped::name(name)),
        other => format!("{scheme}:{other}"),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.place.scheme())?;
        match &self.place {
            Place::Inet { host, port, .. } if host.contains(':') => write!(f, "//[{host}]:{port}"),
            Place::Inet { host, port, .. } => write!(f, "//{host}:{port}"),
            Place::Unix { name: Name::Path(path), .. } => Escaped::path(path).fmt(f),
            Place::Unix { name: Name::Abstract(name), .. } => write!(f, "@{}", Escaped::name(name)),
            Place::Descriptor(number) => number.fmt(f),
        }?;
        self.options.fmt(f)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backlog, reuse_port, mode, owner } = self;
        let written = [
            backlog.map(|backlog| format!("backlog={backlog}")),
            reuse_port.then(|| "reuseport".to_owned()),
            mode.map(|mode| format!("mode={mode:o}")),
            owner.map(|owner| format!("owner={owner}")),
        ];
        for (index, option) in written.iter().flatten().enumerate() {
            write!(f, "{}{option}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uid) = self.uid {
            uid.fmt(f)?;
        }
        match self.gid {
            Some(gid) => write!(f, ":{gid}"),
            None => Ok(()),
        }
    }
}

/// A name of any bytes, written so that it can be parsed again.
struct Escaped<'a> {
    bytes: &'a [u8],
    /// Whether an `@` at its beginning would be taken for that of an abstract name.
    is_path: bool,
}

impl<'a> Escaped<'a> {
    fn path(path: &'a Path) -> Self {
        Self { bytes: path.as_os_str().as_bytes(), is_path: true }
    }

    fn name(bytes: &'a [u8]) -> Self {
        Self { bytes, is_path: false }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &byte) in self.bytes.iter().enumerate() {
            let is_plain = byte.is_ascii_graphic()
                && !matches!(byte, b'%' | b'?')
                && !(byte == b'@' && index == 0 && self.is_path);
            if is_plain {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
