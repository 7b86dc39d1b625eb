//! The load generator: one for every server, and every reply is compared with what was sent.

mod echo;
mod line;

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Result;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// So many connections stay open; on each, a line goes out when the one before has come back.
    Echo { connections: usize },
    /// So many clients at once; each connects, sends a line, reads it back, closes, and starts over.
    Line { clients: usize },
}

impl Load {
    /// Connects whatever stays connected; no request is sent yet.
    pub(crate) fn open(self, address: SocketAddr) -> Result<Session> {
        let players = match self {
            Self::Echo { connections } => echo::connect(address, connections)?,
            Self::Line { .. } => Vec::new(),
        };
        Ok(Session { load: self, address, players, requests: 0 })
    }
}

/// The clients of one server.
#[derive(Debug)]
pub(crate) struct Session {
    load: Load,
    address: SocketAddr,
    players: Vec<echo::Player>,
    /// How many requests there have been.
    requests: usize,
}

impl Session {
    /// Sends so many requests more and returns how long they took altogether.
    ///
    /// # Errors
    ///
    /// The first reply that is wrong, missing or too late ends the run with an error.
    pub(crate) fn run(&mut self, requests: usize) -> Result<Duration> {
        let numbers = self.requests..self.requests + requests;
        self.requests = numbers.end;
        let begin = Instant::now();
        let deadline = begin + RUN_LIMIT;
        match self.load {
            Load::Echo { .. } => echo::run(&mut self.players, numbers, deadline)?,
            Load::Line { clients } => line::run(self.address, clients, numbers, deadline)?,
        }
        Ok(begin.elapsed())
    }

    /// Ends what is connected; a server that has sent too much is found out here.
    pub(crate) fn close(self) -> Result<()> {
        self.players.iter().try_for_each(echo::Player::end)
    }
}

/// How many bytes a request has, its newline included.
pub(crate) const LINE: usize = 64;

/// The line of one request; no two requests of a run have the same.
fn line(number: usize) -> [u8; LINE] {
    let mut line = *b"number 0000000000, and then what it takes to be 64 bytes in all\n";
    let mut rest = number;
    for digit in line[7..17].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    line
}

fn compare(number: usize, reply: &[u8]) -> Result<()> {
    if reply == line(number) {
        return Ok(());
    }
    let reply = String::from_utf8_lossy(reply);
    Err(format!("request {number} was answered with {reply:?}").into())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, REPLY_LIMIT)?;
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    stream.set_write_timeout(Some(REPLY_LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn check(deadline: Instant) -> Result<()> {
    if Instant::now() < deadline { Ok(()) } else { Err("the run took too long".into()) }
}

const REPLY_LIMIT: Duration = Duration::from_secs(10);
const RUN_LIMIT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Serves one connection after another; `change` sees each chunk before it goes back.
    fn server(mut change: impl FnMut(usize, &mut Vec<u8>) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut chunks = 0;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let mut reply = buffer[..count].to_vec();
                    change(chunks, &mut reply);
                    chunks += 1;
                    if stream.write_all(&reply).is_err() {
                        break;
                    }
                }
            }
        });
        address
    }

    fn run(load: Load, address: SocketAddr) -> Result<()> {
        let mut session = load.open(address)?;
        session.run(20)?;
        session.run(30)?;
        session.close()
    }

    #[test]
    fn right_replies_pass() {
        for load in
            [Load::Echo { connections: 1 }, Load::Line { clients: 1 }, Load::Line { clients: 3 }]
        {
            run(load, server(|_, _| {})).unwrap();
        }
    }

    #[test]
    fn a_reply_with_one_wrong_byte_fails_the_run() {
        for load in
            [Load::Echo { connections: 1 }, Load::Line { clients: 1 }, Load::Line { clients: 3 }]
        {
            let address = server(|chunk, reply| {
                if chunk == 30 {
                    reply[10] ^= 1;
                }
            });
            let error = run(load, address).unwrap_err().to_string();
            assert!(error.contains("was answered with"), "{error}");
        }
    }

    #[test]
    fn a_reply_that_is_sent_twice_fails_the_run() {
        let address = server(|chunk, reply| {
            if chunk == 49 {
                reply.extend_from_within(..);
            }
        });
        assert!(run(Load::Echo { connections: 1 }, address).is_err());
    }

    #[test]
    fn a_server_that_closes_early_fails_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().for_each(drop));
        assert!(run(Load::Echo { connections: 1 }, address).is_err());
        assert!(run(Load::Line { clients: 2 }, address).is_err());
    }

    #[test]
    fn every_request_has_its_own_line_of_the_same_length() {
        assert_ne!(line(1), line(10));
        assert_eq!(line(1_234_567_890)[7..17], *b"1234567890");
        assert_eq!(line(0).iter().position(|&byte| byte == b'\n'), Some(LINE - 1));
    }
}
