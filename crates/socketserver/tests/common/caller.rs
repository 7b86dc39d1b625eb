use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use socketserver::Address;
use testkit::{Client, Connect, SocketPath, datagram_client, unix_datagram_client};

/// A client of any transport, which asks one thing in one line and reads one line of reply.
///
/// It cannot hang: what it waits for comes within the deadline, or is an error.
#[derive(Debug)]
pub(crate) enum Caller {
    Stream(Client),
    Udp(UdpSocket),
    /// With the path that it is bound to, so that it can be answered.
    Unix(UnixDatagram, SocketPath),
}

impl Caller {
    pub(crate) fn tcp(server: &Address) -> io::Result<Self> {
        let address = server.as_inet().expect("an internet address");
        Connect::Tcp(address).connect().map(Self::Stream)
    }

    pub(crate) fn udp(server: &Address) -> io::Result<Self> {
        datagram_client(server.as_inet().expect("an internet address")).map(Self::Udp)
    }

    pub(crate) fn unix_stream(server: &Address) -> io::Result<Self> {
        let path = server.as_path().expect("a path");
        Connect::Unix(path.to_owned()).connect().map(Self::Stream)
    }

    pub(crate) fn unix_datagram(server: &Address) -> io::Result<Self> {
        let (socket, path) = unix_datagram_client(server.as_path().expect("a path"))?;
        Ok(Self::Unix(socket, path))
    }

    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Stream(client) => client.send(format!("{text}\n")),
            Self::Udp(socket) => socket.send(text.as_bytes()).map(drop),
            Self::Unix(socket, _) => socket.send(text.as_bytes()).map(drop),
        }
    }

    /// The reply's line, without its end; empty at the end of a connection.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut buffer = [0; 64 * 1024];
        let len = match self {
            Self::Stream(client) => return Ok(client.read_line()?.trim_end().to_owned()),
            Self::Udp(socket) => restart(|| socket.recv(&mut buffer))?,
            Self::Unix(socket, _) => restart(|| socket.recv(&mut buffer))?,
        };
        Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }

    pub(crate) fn ask(&mut self, text: &str) -> io::Result<String> {
        self.send(text)?;
        self.reply()
    }

    /// Waits for the end of the connection, and checks that nothing comes before it.
    #[track_caller]
    pub(crate) fn assert_ended(&mut self) {
        let Self::Stream(client) = self else {
            panic!("a datagram client sees no end");
        };
        let rest = client.read_to_end().expect("the connection ends");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// The end of a child interrupts a receive that has a timeout, even where nobody handles SIGCHLD.
fn restart(mut receive: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match receive() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
