//! The load generator: one for every server, and every reply is compared with what was sent.

mod echo;
mod histogram;
mod line;
mod ready;
#[cfg(test)]
mod tests;
mod udp;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

pub(crate) use self::histogram::Histogram;
pub(crate) use self::udp::Pattern;
use crate::Result;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// So many connections stay open; on each, `depth` lines go out in one write when those before
    /// have come back.
    Echo { connections: usize, depth: usize },
    /// So many clients at once; each connects, sends a line, reads it back, closes, and starts over.
    Line { clients: usize },
    /// Datagrams, each of which comes back.
    Udp(Pattern),
}

impl Load {
    /// The load of this name, with the counts that apply to it.
    pub(crate) fn named(name: &str, clients: usize, depth: usize) -> Option<Self> {
        Some(match name {
            "echo" => Self::Echo { connections: clients, depth },
            "line" => Self::Line { clients },
            "udp-single" => Self::Udp(Pattern::Single),
            "udp-batch" => Self::Udp(Pattern::Batch),
            "udp-train" => Self::Udp(Pattern::Train),
            _ => return None,
        })
    }

    /// Connects whatever stays connected; no request is sent yet.
    pub(crate) fn open(self, address: SocketAddr) -> Result<Session> {
        let clients = match self {
            Self::Echo { connections, depth } => {
                Clients::Echo(echo::Echo::connect(address, connections, depth)?)
            }
            Self::Line { clients } => Clients::Line(line::Line::new(address, clients)?),
            Self::Udp(pattern) => Clients::Udp(udp::Udp::new(address, pattern)?),
        };
        Ok(Session { clients, requests: 0 })
    }
}

/// The arguments that mean this load to `bench load`.
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo { connections, depth } => {
                write!(f, "echo --clients {connections} --depth {depth}")
            }
            Self::Line { clients } => write!(f, "line --clients {clients}"),
            Self::Udp(Pattern::Single) => write!(f, "udp-single"),
            Self::Udp(Pattern::Batch) => write!(f, "udp-batch"),
            Self::Udp(Pattern::Train) => write!(f, "udp-train"),
        }
    }
}

/// The clients of one server.
#[derive(Debug)]
pub(crate) struct Session {
    clients: Clients,
    /// How many requests there have been.
    requests: usize,
}

#[derive(Debug)]
enum Clients {
    Echo(echo::Echo),
    Line(line::Line),
    Udp(udp::Udp),
}

/// How some requests went.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// How long they took altogether.
    pub(crate) took: Duration,
    /// How long each reply took to come, or those to lines that went out together.
    pub(crate) replies: Histogram,
}

impl Session {
    /// Sends so many requests more.
    ///
    /// # Errors
    ///
    /// The first reply that is wrong, missing or too late ends the run with an error.
    pub(crate) fn run(&mut self, requests: usize) -> Result<Outcome> {
        let numbers = self.requests..self.requests + requests;
        self.requests = numbers.end;
        let mut replies = Histogram::default();
        let begin = Instant::now();
        let deadline = begin + RUN_LIMIT;
        match &mut self.clients {
            Clients::Echo(echo) => echo.run(numbers, deadline, &mut replies)?,
            Clients::Line(line) => line.run(numbers, deadline, &mut replies)?,
            Clients::Udp(udp) => udp.run(numbers, deadline, &mut replies)?,
        }
        Ok(Outcome { took: begin.elapsed(), replies })
    }

    /// Ends what is connected; a server that has sent too much is found out here.
    pub(crate) fn close(self) -> Result<()> {
        match self.clients {
            Clients::Echo(echo) => echo.end(),
            Clients::Line(_) => Ok(()),
            Clients::Udp(udp) => udp.end(),
        }
    }
}

/// How many bytes a request has, its newline included.
pub(crate) const LINE: usize = 64;

const TEXT: [u8; LINE] = *b"number 0000000000, and then what it takes to be 64 bytes in all\n";

/// The line of one request; no two requests of a run have the same.
fn line(number: usize) -> [u8; LINE] {
    let mut line = TEXT;
    let mut rest = number;
    for digit in line[7..17].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line
}

/// The number that a line claims to have; the line has to be compared all the same.
fn number_of(line: &[u8]) -> usize {
    let digits = line.get(7..17).unwrap_or_default();
    digits.iter().fold(0, |number, &digit| number * 10 + usize::from(digit.wrapping_sub(b'0')))
}

fn compare(number: usize, reply: &[u8]) -> Result<()> {
    if reply == line(number) {
        return Ok(());
    }
    let reply = String::from_utf8_lossy(reply);
    Err(format!("request {number} was answered with {reply:?}").into())
}

/// The connection of this index; each source address has ports for so many to one server.
fn connect(address: SocketAddr, index: usize) -> Result<TcpStream> {
    // Over loopback, connecting waits for nobody: the kernel of both sides is the same.
    match u8::try_from(index / CONNECTIONS_OF_A_SOURCE)? {
        0 => Ok(TcpStream::connect(address)?),
        number => connect_from(Ipv4Addr::new(127, 0, 1, number), address),
    }
}

fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // The port is then chosen when the other end is known, so that it can be used to several ends.
    match setsockopt(&socket, sockopt::IpBindAddressNoPort, &true) {
        Ok(()) | Err(Errno::ENOPROTOOPT) => {}
        Err(error) => return Err(error.into()),
    }
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

fn check(deadline: Instant) -> Result<()> {
    if Instant::now() < deadline { Ok(()) } else { Err("the run took too long".into()) }
}

/// Linux gives 28,232 ports to clients, half of which it tries first. The more of them are taken,
/// the longer it looks for the next.
const CONNECTIONS_OF_A_SOURCE: usize = 5_000;
const REPLY_LIMIT: Duration = Duration::from_secs(10);
const RUN_LIMIT: Duration = Duration::from_secs(120);
