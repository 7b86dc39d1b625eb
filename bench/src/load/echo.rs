//! Connections that stay: ping-pong on each of them, all from one thread.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{LINE, REPLY_LIMIT, check, compare, line};
use crate::Result;

/// Connects both ends of each game.
pub(super) fn connect(address: SocketAddr, connections: usize) -> Result<Vec<Player>> {
    let player = |_| {
        let stream = super::connect(address)?;
        Ok(Player { stream, sent: None, reply: [0; LINE], filled: 0 })
    };
    (0..connections).map(player).collect()
}

/// Plays until every line of these numbers has come back.
pub(super) fn run(
    players: &mut [Player],
    mut numbers: Range<usize>,
    deadline: Instant,
) -> Result<()> {
    for player in &mut *players {
        player.serve(numbers.next())?;
    }
    while players.iter().any(|player| player.sent.is_some()) {
        check(deadline)?;
        for index in answered(players)? {
            players[index].receive(&mut numbers)?;
        }
    }
    Ok(())
}

/// One end of a game of ping-pong.
#[derive(Debug)]
pub(super) struct Player {
    stream: TcpStream,
    /// The number of the request that is under way.
    sent: Option<usize>,
    reply: [u8; LINE],
    filled: usize,
}

impl Player {
    fn serve(&mut self, number: Option<usize>) -> Result<()> {
        self.sent = number;
        if let Some(number) = number {
            self.stream.write_all(&line(number))?;
        }
        Ok(())
    }

    fn receive(&mut self, numbers: &mut impl Iterator<Item = usize>) -> Result<()> {
        let count = self.stream.read(&mut self.reply[self.filled..])?;
        let Some(number) = self.sent.filter(|_| count > 0) else {
            return Err(
                "a connection ended, or bytes came, when a reply was not yet complete".into()
            );
        };
        self.filled += count;
        if self.filled == LINE {
            self.filled = 0;
            compare(number, &self.reply)?;
            self.serve(numbers.next())?;
        }
        Ok(())
    }

    /// Nothing may come after the last reply but the end.
    pub(super) fn end(&self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let surplus = (&self.stream).read(&mut [0; LINE])?;
        if surplus == 0 { Ok(()) } else { Err(format!("{surplus} bytes too many").into()) }
    }
}

/// Which players have something to read. One player alone is not worth a poll.
fn answered(players: &[Player]) -> Result<Vec<usize>> {
    if players.len() == 1 {
        return Ok(vec![0]);
    }
    let mut waits: Vec<_> = players
        .iter()
        .map(|player| PollFd::new(player.stream.as_fd(), PollFlags::POLLIN))
        .collect();
    if poll(&mut waits, PollTimeout::try_from(REPLY_LIMIT)?)? == 0 {
        return Err("no reply in time".into());
    }
    Ok((0..waits.len()).filter(|&index| waits[index].any() == Some(true)).collect())
}
