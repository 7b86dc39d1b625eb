use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use testkit::SocketPath;

/// Where a server under test is bound to: a port of the kernel's choice on loopback, or a path in
/// a folder of its own.
#[derive(Debug)]
pub(crate) struct Place(SocketPath);

impl Place {
    pub(crate) fn new() -> Self {
        Self(testkit::socket_path())
    }

    /// The names of what is in the folder: nothing, after a server has been closed.
    pub(crate) fn left(&self) -> Vec<OsString> {
        let left = self.0.left().into_iter();
        left.map(|path| path.file_name().unwrap_or_default().to_owned()).collect()
    }
}

impl ToSocketAddrs for Place {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).into_iter())
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}
