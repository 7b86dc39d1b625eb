//! Connections that stay: on each, some lines go out when those before have come back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ready::Ready;
use super::{Histogram, LINE, REPLY_LIMIT, check, compare, line};
use crate::Result;

/// All connections to one server, played from one thread.
#[derive(Debug)]
pub(super) struct Echo {
    players: Vec<Player>,
    /// One player alone is not worth an epoll: it blocks in its read.
    ready: Option<Ready>,
    depth: usize,
    buffer: Vec<u8>,
}

impl Echo {
    /// Connects; `depth` lines will go out in one write.
    pub(super) fn connect(address: SocketAddr, connections: usize, depth: usize) -> Result<Self> {
        let mut players = Vec::with_capacity(connections);
        for index in 0..connections {
            let stream = super::connect(address, index)?;
            stream.set_nodelay(true)?;
            if index % BURST == BURST - 1 {
                greet(&stream)?;
            }
            players.push(Player::new(stream));
        }
        let mut ready = None;
        if let [player] = &players[..] {
            player.stream.set_read_timeout(Some(REPLY_LIMIT))?;
        } else {
            let mut set = Ready::new()?;
            for (index, player) in players.iter().enumerate() {
                player.stream.set_nonblocking(true)?;
                set.add(&player.stream, index)?;
            }
            ready = Some(set);
        }
        Ok(Self { players, ready, depth, buffer: vec![0; (depth * LINE).max(4096)] })
    }

    /// Plays until every line of these numbers has come back.
    pub(super) fn run(
        &mut self,
        mut numbers: Range<usize>,
        deadline: Instant,
        took: &mut Histogram,
    ) -> Result<()> {
        let depth = self.depth;
        let mut next = || {
            let count = depth.min(numbers.len());
            let burst = numbers.start..numbers.start + count;
            numbers.start += count;
            burst
        };
        let mut under_way = 0;
        for player in &mut self.players {
            under_way += usize::from(player.send(next())?);
        }
        while under_way > 0 {
            check(deadline)?;
            let players = &mut self.players;
            let mut serve = |index: usize| -> Result<()> {
                let Some(since) = players[index].receive(&mut self.buffer)? else { return Ok(()) };
                took.record(since.elapsed());
                under_way -= usize::from(!players[index].send(next())?);
                Ok(())
            };
            match &mut self.ready {
                None => serve(0)?,
                Some(ready) => ready.wait()?.try_for_each(serve)?,
            }
        }
        Ok(())
    }

    /// Nothing may come after the last reply but the end.
    pub(super) fn end(self) -> Result<()> {
        for player in &self.players {
            player.stream.shutdown(Shutdown::Write)?;
        }
        for player in &self.players {
            player.stream.set_nonblocking(false)?;
            player.stream.set_read_timeout(Some(REPLY_LIMIT))?;
            let surplus = (&player.stream).read(&mut [0; LINE])?;
            if surplus > 0 {
                return Err(format!("{surplus} bytes too many").into());
            }
        }
        Ok(())
    }
}

/// Waits until the server has accepted this connection, and so all before it. Otherwise its queue
/// overflows when there are many, and the kernel lets clients wait for seconds.
fn greet(mut stream: &TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    stream.write_all(&line(0))?;
    let mut reply = [0; LINE];
    stream.read_exact(&mut reply)?;
    compare(0, &reply)
}

/// Less than the listen queue of any server has room for.
const BURST: usize = 64;

/// One end of a game of ping-pong.
#[derive(Debug)]
struct Player {
    stream: TcpStream,
    /// What was sent and is to come back; empty when nothing is under way.
    sent: Vec<u8>,
    since: Instant,
    /// How much of it has come back.
    filled: usize,
}

impl Player {
    fn new(stream: TcpStream) -> Self {
        Self { stream, sent: Vec::new(), since: Instant::now(), filled: 0 }
    }

    /// Sends the lines of these numbers; tells whether there were any.
    fn send(&mut self, numbers: Range<usize>) -> Result<bool> {
        self.sent.clear();
        self.filled = 0;
        for number in numbers {
            self.sent.extend_from_slice(&line(number));
        }
        if self.sent.is_empty() {
            return Ok(false);
        }
        self.since = Instant::now();
        let mut rest = self.sent.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn wait_for_room(&self) -> Result<()> {
        let mut room = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut room, PollTimeout::try_from(REPLY_LIMIT)?)? {
            0 => Err("the server does not read".into()),
            _ => Ok(()),
        }
    }

    /// Reads once and compares; when the last line is complete, tells when it was sent.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Instant>> {
        let count = match self.stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.sent.len() > LINE => {
                return Ok(None);
            }
            result => result?,
        };
        let expected = self.sent.get(self.filled..self.filled + count).filter(|_| count > 0);
        let Some(expected) = expected else {
            return Err("a connection ended, or more came than was sent".into());
        };
        if *expected != buffer[..count] {
            let (sent, came) = (String::from_utf8_lossy(expected), &buffer[..count]);
            let came = String::from_utf8_lossy(came);
            return Err(format!("{sent:?} was answered with {came:?}").into());
        }
        self.filled += count;
        Ok((self.filled == self.sent.len()).then_some(self.since))
    }
}
