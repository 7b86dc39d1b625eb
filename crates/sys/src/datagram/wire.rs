//! Addresses and control messages as the kernel lays them out, in bytes.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::libc;

use super::UnixName;

/// Room for an address of any family, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Name(pub(super) [u8; size_of::<libc::sockaddr_storage>()]);

impl Name {
    pub(super) const EMPTY: Self = Self([0; size_of::<libc::sockaddr_storage>()]);

    /// Writes an internet address; returns how many bytes of it there are.
    pub(super) fn put(&mut self, address: SocketAddr) -> usize {
        let bytes = &mut self.0;
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                size_of::<libc::sockaddr_in6>()
            }
        }
    }

    /// The internet address of which `len` bytes are there, if it is one.
    pub(super) fn inet(&self, len: usize) -> Option<SocketAddr> {
        let bytes = self.0.get(..len)?;
        let port = u16::from_be_bytes(array(bytes, 2)?);
        match i32::from(u16::from_ne_bytes(array(bytes, 0)?)) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(array::<4>(bytes, 4)?);
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                let flow = u32::from_ne_bytes(array(bytes, 4)?);
                let ip = Ipv6Addr::from(array::<16>(bytes, 8)?);
                let scope = u32::from_ne_bytes(array(bytes, 24)?);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    /// The Unix socket's name of which `len` bytes are there.
    pub(super) fn unix(&self, len: usize) -> UnixName {
        match self.0.get(2..len) {
            None | Some([]) => UnixName::Unnamed,
            Some([0, name @ ..]) => UnixName::Abstract(name.to_vec()),
            Some(path) => {
                // The kernel adds a NUL, and does not when there is no room for it.
                let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
                UnixName::Path(PathBuf::from(OsStr::from_bytes(path)))
            }
        }
    }
}

/// The bytes of a control message's head: its length, its level and its type.
const HEAD: usize = size_of::<libc::cmsghdr>();

/// What the length, and so each message, is aligned to.
const ALIGN: usize = size_of::<usize>();

const fn space(len: usize) -> usize {
    HEAD + len.next_multiple_of(ALIGN)
}

/// How much room the control messages of one datagram need: an address and a number.
pub(super) const CONTROL: usize = space(size_of::<libc::in6_pktinfo>())
    + space(size_of::<libc::in_pktinfo>())
    + space(size_of::<i32>());

/// Control messages, aligned as the kernel wants them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL]);

/// What control messages tell of a received datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) destination: Option<IpAddr>,
    /// The size of each of several datagrams that came as one.
    pub(super) segment: Option<usize>,
}

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL]);

    /// Reads the messages in the first `len` bytes.
    pub(super) fn told(&self, len: usize) -> Told {
        let mut told = Told::default();
        let mut rest = self.0.get(..len).unwrap_or_default();
        while let Some((level, kind, data, next)) = first(rest) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // After the interface and the local address.
                    told.destination = array::<4>(data, 8).map(|ip| Ipv4Addr::from(ip).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    told.destination = array::<16>(data, 0).map(|ip| Ipv6Addr::from(ip).into());
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = array(data, 0).map(i32::from_ne_bytes);
                    told.segment = size.and_then(|size| size.try_into().ok());
                }
                _ => {}
            }
            rest = next;
        }
        told
    }

    /// Writes what to tell of a datagram that is sent: from where, and of which size each of
    /// several is that go as one. Returns how many bytes that are.
    pub(super) fn put(&mut self, source: Option<IpAddr>, segment: Option<u16>) -> usize {
        let mut at = 0;
        match source {
            Some(IpAddr::V4(ip)) => {
                let mut info = [0; size_of::<libc::in_pktinfo>()];
                info[4..8].copy_from_slice(&ip.octets());
                at += self.put_one(at, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            Some(IpAddr::V6(ip)) => {
                let mut info = [0; size_of::<libc::in6_pktinfo>()];
                info[..16].copy_from_slice(&ip.octets());
                at += self.put_one(at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        if let Some(size) = segment {
            at += self.put_one(at, libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
        }
        at
    }

    fn put_one(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let bytes = &mut self.0[at..at + space(data.len())];
        bytes[..ALIGN].copy_from_slice(&(HEAD + data.len()).to_ne_bytes());
        bytes[ALIGN..ALIGN + 4].copy_from_slice(&level.to_ne_bytes());
        bytes[ALIGN + 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEAD..HEAD + data.len()].copy_from_slice(data);
        bytes.len()
    }
}

/// The first control message of `bytes`: its level, its type, its data, and what follows it.
fn first(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(array(bytes, 0)?);
    let level = i32::from_ne_bytes(array(bytes, ALIGN)?);
    let kind = i32::from_ne_bytes(array(bytes, ALIGN + 4)?);
    let data = bytes.get(HEAD..len)?;
    let next = bytes.get(space(data.len())..).unwrap_or_default();
    Some((level, kind, data, next))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{Control, Name, UnixName};

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for address in ["127.0.0.1:7", "[fe80::1%3]:65535"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut name = Name::EMPTY;
            let len = name.put(address);
            assert_eq!(name.inet(len), Some(address));
            assert_eq!(name.inet(3), None);
        }
    }

    #[test]
    fn a_name_ends_at_its_nul() {
        let mut name = Name::EMPTY;
        name.0[..8].copy_from_slice(b"\x01\0/tmp/x\0"[..8].try_into().unwrap());
        assert_eq!(name.unix(2), UnixName::Unnamed);
        assert_eq!(name.unix(9), UnixName::Path("/tmp/x".into()));
        name.0[2] = 0;
        assert_eq!(name.unix(6), UnixName::Abstract(b"tmp".to_vec()));
    }

    #[test]
    fn several_control_messages_follow_each_other() {
        for source in ["127.0.0.1", "::1"] {
            let source: IpAddr = source.parse().unwrap();
            let mut control = Control::EMPTY;
            let without = control.put(Some(source), None);
            let len = control.put(Some(source), Some(512));
            assert!(len > without, "{len} {without}");
            let rest = super::first(&control.0[..len]).unwrap().3;
            let (level, _, data, rest) = super::first(rest).unwrap();
            assert_eq!((level, data, rest), (17, &512_u16.to_ne_bytes()[..], &[][..]));
        }
    }
}
