//! What a program learns of its connection: the environment of ucspi.
//!
//! TCP has the names of `tcpserver`, and for IPv6 also those of `ucspi-tcp6`; UDP has the like;
//! Unix sockets have the names of `ipcserver` and `s6-ipcserver`.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use socket2::SockRef;
use socketserver::Address;
use socketserver::transport::PeerCredentials;
use socketserver_sys::socket::{SocketKind, peer_credentials};

/// Variables that would lie if they came from a server above this one, which a program was started
/// by: all that any of these servers sets.
pub(crate) fn foreign() -> impl Iterator<Item = String> {
    const INET: [&str; 8] = [
        "LOCALHOST",
        "LOCALIP",
        "LOCALPORT",
        "REMOTEHOST",
        "REMOTEINFO",
        "REMOTEIP",
        "REMOTEPORT",
        "INTERFACE",
    ];
    const IPC: [&str; 5] = ["LOCALPATH", "REMOTEEGID", "REMOTEEUID", "REMOTEPATH", "REMOTEPID"];
    let inet = ["TCP", "TCP6", "UDP", "UDP6"]
        .into_iter()
        .flat_map(|proto| INET.map(|name| format!("{proto}{name}")));
    inet.chain(IPC.map(|name| format!("IPC{name}")))
        .chain(["TCPCONNNUM", "IPCCONNNUM"].map(str::to_owned))
}

/// What a program is told of one client.
#[derive(Debug)]
pub(crate) struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// That of a connection.
    ///
    /// # Errors
    ///
    /// Those of asking the kernel for its addresses: the client has gone, say.
    pub(crate) fn of_connection(
        kind: SocketKind,
        connection: BorrowedFd<'_>,
        client: &Address,
        server: &Address,
    ) -> io::Result<Self> {
        if kind == SocketKind::UnixStream {
            return Ok(Self::ipc(client, server, Some(peer_credentials(connection)?)));
        }
        let local = SockRef::from(&connection).local_addr()?.as_socket();
        let local = local.map_or_else(|| server.clone(), Address::from);
        Ok(Self::inet("TCP", client, &local))
    }

    /// That of a datagram, which came to `local`.
    pub(crate) fn of_datagram(kind: SocketKind, client: &Address, local: &Address) -> Self {
        match kind {
            SocketKind::Udp => Self::inet("UDP", client, local),
            _ => Self::ipc(client, local, None),
        }
    }

    fn inet(proto: &str, client: &Address, local: &Address) -> Self {
        let (client, local) = (client.as_inet(), local.as_inet());
        let is_ipv6 = client.is_some_and(|client| client.is_ipv6());
        let of_ipv6 = format!("{proto}6");
        let mut variables = Vec::new();
        let mut add = |prefix: &str, side: &str, address: SocketAddr| {
            variables.push((format!("{prefix}{side}IP"), address.ip().to_string().into()));
            variables.push((format!("{prefix}{side}PORT"), address.port().to_string().into()));
        };
        for prefix in [Some(proto), is_ipv6.then_some(&of_ipv6)].into_iter().flatten() {
            if let Some(client) = client {
                add(prefix, "REMOTE", client);
            }
            if let Some(local) = local {
                add(prefix, "LOCAL", local);
            }
        }
        let name = if is_ipv6 { of_ipv6.as_str() } else { proto };
        variables.push(("PROTO".to_owned(), name.into()));
        Self(variables)
    }

    fn ipc(client: &Address, server: &Address, peer: Option<PeerCredentials>) -> Self {
        let path = |address: &Address| match address {
            Address::Unix(Some(path)) => path.clone().into_os_string(),
            Address::Unix(None) => OsString::new(),
            other => other.to_string().into(),
        };
        let mut variables = vec![
            ("PROTO", "IPC".into()),
            ("IPCLOCALPATH", path(server)),
            ("IPCREMOTEPATH", path(client)),
        ];
        if let Some(peer) = peer {
            variables.push(("IPCREMOTEEUID", peer.uid.to_string().into()));
            variables.push(("IPCREMOTEEGID", peer.gid.to_string().into()));
            variables.push(("IPCREMOTEPID", peer.pid.to_string().into()));
        }
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl IntoIterator for Environment {
    type Item = (String, OsString);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use socketserver::Address;
    use socketserver_sys::socket::SocketKind;

    use super::Environment;

    fn inet(text: &str) -> Address {
        Address::from(text.parse::<std::net::SocketAddr>().unwrap())
    }

    fn shown(environment: Environment) -> Vec<String> {
        let mut lines: Vec<_> = environment
            .into_iter()
            .map(|(name, value)| format!("{name}={}", value.to_string_lossy()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_datagram_over_ipv4_has_the_names_of_udp() {
        let environment = Environment::of_datagram(
            SocketKind::Udp,
            &inet("192.0.2.1:53"),
            &inet("[::ffff:192.0.2.2]:7"),
        );
        assert_eq!(
            shown(environment),
            [
                "PROTO=UDP",
                "UDPLOCALIP=192.0.2.2",
                "UDPLOCALPORT=7",
                "UDPREMOTEIP=192.0.2.1",
                "UDPREMOTEPORT=53",
            ]
        );
    }

    #[test]
    fn over_ipv6_there_are_both_sets_of_names() {
        let environment =
            Environment::of_datagram(SocketKind::Udp, &inet("[2001:db8::1]:53"), &inet("[::1]:7"));
        let lines = shown(environment);
        assert_eq!(lines.len(), 9);
        assert!(lines.contains(&"PROTO=UDP6".to_owned()));
        assert!(lines.contains(&"UDP6REMOTEIP=2001:db8::1".to_owned()));
        assert!(lines.contains(&"UDPREMOTEIP=2001:db8::1".to_owned()));
    }

    #[test]
    fn a_client_without_a_name_has_an_empty_path() {
        let environment = Environment::of_datagram(
            SocketKind::UnixDatagram,
            &Address::Unix(None),
            &Address::Abstract(b"a b".to_vec()),
        );
        assert_eq!(shown(environment), ["IPCLOCALPATH=@a b", "IPCREMOTEPATH=", "PROTO=IPC"]);
    }
}
