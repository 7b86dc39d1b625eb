//! The clients: one driver for both servers.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::scenario::Transport;

/// One client's socket.
#[derive(Debug)]
pub enum Client {
    /// Of a `tcp` server.
    Tcp(TcpStream),
    /// Of a `udp` server.
    Udp(UdpSocket),
    /// Of a `unix` server.
    Unix(UnixStream),
    /// Of a `unixgram` server.
    Unixgram(UnixDatagram),
}

impl Client {
    /// Connects to the server at `address`, which for Unix sockets is a file name in `folder`. A
    /// datagram client is bound to a file of its own, if it has a `name`.
    ///
    /// # Errors
    ///
    /// As the system calls say.
    pub fn connect(
        transport: Transport,
        address: &str,
        folder: &Path,
        name: Option<char>,
        patience: Duration,
    ) -> io::Result<Self> {
        Ok(match transport {
            Transport::Tcp => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Self::Tcp(stream)
            }
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(address)?;
                Self::Udp(socket)
            }
            Transport::Unix => {
                let stream = UnixStream::connect(folder.join(address))?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Self::Unix(stream)
            }
            Transport::Unixgram => {
                let socket = match name {
                    Some(name) => UnixDatagram::bind(folder.join(format!("client-{name}")))?,
                    None => UnixDatagram::unbound()?,
                };
                socket.connect(folder.join(address))?;
                Self::Unixgram(socket)
            }
        })
    }

    /// Sends all of `data`.
    ///
    /// # Errors
    ///
    /// As the system calls say.
    pub fn send(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(data),
            Self::Unix(stream) => stream.write_all(data),
            Self::Udp(socket) => socket.send(data).map(drop),
            Self::Unixgram(socket) => socket.send(data).map(drop),
        }
    }

    /// Says that no more will be sent.
    ///
    /// # Errors
    ///
    /// As the system calls say.
    pub fn half_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Udp(_) | Self::Unixgram(_) => Ok(()),
        }
    }

    /// Closes; a TCP connection with a reset, at once.
    ///
    /// # Errors
    ///
    /// As the system calls say.
    pub fn reset(self) -> io::Result<()> {
        if let Self::Tcp(stream) = &self {
            set_socket_linger(stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Reads to the end of a connection. Returns what came and how it ended.
    pub fn read_stream(&mut self) -> String {
        self.read(|_| false)
    }

    /// Reads up to the end of a line.
    pub fn read_line(&mut self) -> String {
        self.read(|data| data.ends_with(b"\n"))
    }

    fn read(&mut self, enough: impl Fn(&[u8]) -> bool) -> String {
        let mut data = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            if enough(&data) {
                return describe(&data);
            }
            let end = match self.receive(&mut buffer) {
                Ok(0) => "end",
                Ok(count) => {
                    data.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) => match error.kind() {
                    // How much of a long reply gets through before a reset is chance.
                    io::ErrorKind::ConnectionReset if data.len() > LONG => {
                        return "part of a long reply, then reset".to_owned();
                    }
                    io::ErrorKind::ConnectionReset => "reset",
                    io::ErrorKind::WouldBlock => "nothing: still open",
                    _ => return format!("{}, then {error}", describe(&data)),
                },
            };
            return format!("{}, then {end}", describe(&data));
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Udp(socket) => socket.recv(buffer),
            Self::Unixgram(socket) => socket.recv(buffer),
        }
    }

    /// Reads one datagram, waiting no longer than `patience`. Returns `None` if none came.
    ///
    /// # Errors
    ///
    /// As the system calls say.
    pub fn read_datagram(&mut self, patience: Duration) -> io::Result<Option<String>> {
        match self {
            Self::Udp(socket) => socket.set_read_timeout(Some(patience))?,
            Self::Unixgram(socket) => socket.set_read_timeout(Some(patience))?,
            Self::Tcp(_) | Self::Unix(_) => {}
        }
        let mut buffer = vec![0; 1 << 17];
        match self.receive(&mut buffer) {
            Ok(count) => Ok(Some(describe(&buffer[..count]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Connects clients to a Unix stream server without waiting for a place in its queue, and keeps
/// them. Returns how many of `clients` got one.
///
/// # Errors
///
/// Another than that the queue is full.
pub fn crowd(path: &Path, clients: usize) -> io::Result<usize> {
    let address = SocketAddrUnix::new(path)?;
    let mut waiting = Vec::new();
    for _ in 0..clients {
        let client =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
        match connect(&client, &address) {
            Ok(()) => waiting.push(client),
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(waiting.len())
}

const LONG: usize = 64;

/// What bytes are, short enough for a report and exact enough for a comparison.
fn describe(data: &[u8]) -> String {
    if data.len() <= LONG {
        return format!("\"{}\"", data.escape_ascii());
    }
    // FNV-1a: enough to tell one reply from another.
    let digest = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{} bytes ({digest:016x})", data.len())
}
