use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use crate::DEADLINE;
use crate::path::SocketPath;

/// Where a stream client connects to.
#[derive(Clone, Debug)]
pub enum Connect {
    /// To a TCP address.
    Tcp(SocketAddr),
    /// To a Unix socket's path.
    Unix(std::path::PathBuf),
}

impl Connect {
    /// Connects. Reads and writes of the client fail after [`DEADLINE`].
    ///
    /// # Errors
    ///
    /// As `connect(2)` has them.
    pub fn connect(&self) -> io::Result<Client> {
        let socket = match self {
            Self::Tcp(address) => {
                let socket = TcpStream::connect_timeout(address, DEADLINE)?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.set_write_timeout(Some(DEADLINE))?;
                Socket::Tcp(socket)
            }
            Self::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.set_write_timeout(Some(DEADLINE))?;
                Socket::Unix(socket)
            }
        };
        Ok(Client { reader: BufReader::new(socket) })
    }
}

/// A stream client that cannot hang: everything it does ends within [`DEADLINE`].
#[derive(Debug)]
pub struct Client {
    reader: BufReader<Socket>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Client {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// As `send(2)` has them; `WouldBlock` after the deadline.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Reads one line, with its end; empty at the end of the stream.
    ///
    /// # Errors
    ///
    /// As `recv(2)` has them; `WouldBlock` after the deadline.
    pub fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line)
    }

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the stream ends before; else as [`read_line`](Self::read_line).
    pub fn read_exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads to the end of the stream.
    ///
    /// # Errors
    ///
    /// As `recv(2)` has them; `WouldBlock` after the deadline.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Ends the client's half of the connection.
    ///
    /// # Errors
    ///
    /// As `shutdown(2)` has them.
    pub fn end(&mut self) -> io::Result<()> {
        match self.reader.get_ref() {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }

    /// Sends all of `bytes`, ends, and reads the whole reply.
    ///
    /// # Errors
    ///
    /// As the three.
    pub fn exchange(mut self, bytes: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        self.send(bytes)?;
        self.end()?;
        self.read_to_end()
    }

    /// Closes with a reset instead of an end, as a client that dies does. A Unix socket cannot.
    ///
    /// # Errors
    ///
    /// As `setsockopt(2)` has them.
    pub fn reset(self) -> io::Result<()> {
        match self.reader.into_inner() {
            Socket::Tcp(socket) => {
                let now = Some(std::time::Duration::ZERO);
                Ok(rustix::net::sockopt::set_socket_linger(&socket, now)?)
            }
            Socket::Unix(_) => Ok(()),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.reader.get_ref() {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buf),
            Self::Unix(socket) => socket.read(buf),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(buf),
            Self::Unix(socket) => socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A UDP client, bound on loopback and connected to `server`, that waits at most [`DEADLINE`].
///
/// # Errors
///
/// As `bind(2)` and `connect(2)` have them.
pub fn datagram_client(server: SocketAddr) -> io::Result<UdpSocket> {
    let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(own)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.connect(server)?;
    Ok(socket)
}

/// A Unix datagram client, bound to a path of its own and connected to `server`, that waits at
/// most [`DEADLINE`]. The path lives as long as what is returned with the socket.
///
/// # Errors
///
/// As `bind(2)` and `connect(2)` have them.
pub fn unix_datagram_client(server: &Path) -> io::Result<(UnixDatagram, SocketPath)> {
    let own = crate::socket_path();
    let socket = UnixDatagram::bind(&own)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    socket.connect(server)?;
    Ok((socket, own))
}
