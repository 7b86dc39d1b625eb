//! Addresses, and names that must be resolved.

use std::io;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs as _,
};
use std::time::Instant;

use crate::blocking;

/// What [`TcpStream::connect`](super::TcpStream::connect) takes: what implements
/// [`std::net::ToSocketAddrs`], of which this is the part that can resolve names on another thread.
///
/// It cannot be implemented elsewhere.
pub trait ToSocketAddrs: sealed::Sealed {
    /// The addresses, in the order in which they are to be tried.
    #[doc(hidden)]
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>>;
}

mod sealed {
    use std::net::SocketAddr;

    #[expect(unnameable_types, reason = "so that nobody else implements it")]
    pub trait Sealed {}

    impl<T: Sealed + ?Sized> Sealed for &T {}
    impl Sealed for str {}
    impl Sealed for String {}
    impl Sealed for [SocketAddr] {}
    impl<H> Sealed for (H, u16) {}
}

/// What needs no resolution.
macro_rules! known {
    ($($address:ty),+) => {$(
        impl sealed::Sealed for $address {}

        impl ToSocketAddrs for $address {
            fn addresses(&self, _: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![(*self).into()])
            }
        }
    )+};
}

known!(SocketAddr, SocketAddrV4, SocketAddrV6);

macro_rules! known_with_port {
    ($($ip:ty),+) => {$(
        impl ToSocketAddrs for ($ip, u16) {
            fn addresses(&self, _: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![(*self).into()])
            }
        }
    )+};
}

known_with_port!(IpAddr, Ipv4Addr, Ipv6Addr);

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        (**self).addresses(deadline)
    }
}

impl ToSocketAddrs for [SocketAddr] {
    fn addresses(&self, _: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl ToSocketAddrs for str {
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address]);
        }
        let name = self.to_owned();
        blocking::until(deadline, move || Ok(name.to_socket_addrs()?.collect()))?
    }
}

impl ToSocketAddrs for String {
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        self.as_str().addresses(deadline)
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = *self;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        let host = host.to_owned();
        blocking::until(deadline, move || Ok((host, port).to_socket_addrs()?.collect()))?
    }
}

impl ToSocketAddrs for (String, u16) {
    fn addresses(&self, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).addresses(deadline)
    }
}
