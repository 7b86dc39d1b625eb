//! A connection for each line, from one client or from several at once, all from one thread.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Instant;

use super::ready::Ready;
use super::{Histogram, LINE, REPLY_LIMIT, check, compare, connect, line};
use crate::Result;

/// The clients of one server.
#[derive(Debug)]
pub(super) struct Line {
    address: SocketAddr,
    clients: Vec<Option<Client>>,
    /// One client alone is not worth an epoll: it blocks in its read.
    ready: Option<Ready>,
}

impl Line {
    pub(super) fn new(address: SocketAddr, clients: usize) -> Result<Self> {
        let ready = if clients > 1 { Some(Ready::new()?) } else { None };
        Ok(Self { address, clients: (0..clients).map(|_| None).collect(), ready })
    }

    /// Runs until every line of these numbers has come back.
    pub(super) fn run(
        &mut self,
        mut numbers: Range<usize>,
        deadline: Instant,
        took: &mut Histogram,
    ) -> Result<()> {
        let is_alone = self.ready.is_none();
        let mut under_way = 0;
        for (index, client) in self.clients.iter_mut().enumerate() {
            *client = Client::start(self.address, numbers.next(), is_alone)?;
            if let Some(Client { stream, .. }) = client {
                under_way += 1;
                self.ready.as_mut().map_or(Ok(()), |ready| ready.add(stream, index))?;
            }
        }
        while under_way > 0 {
            check(deadline)?;
            let indices = self.ready.as_mut().map(Ready::wait).transpose()?;
            for index in indices.into_iter().flatten().chain(is_alone.then_some(0)) {
                let client = &mut self.clients[index];
                let Some(since) = client.as_mut().map_or(Ok(None), Client::receive)? else {
                    continue;
                };
                took.record(since.elapsed());
                *client = None;
                *client = Client::start(self.address, numbers.next(), is_alone)?;
                match (client, &mut self.ready) {
                    (None, _) => under_way -= 1,
                    (Some(client), Some(ready)) => ready.add(&client.stream, index)?,
                    (Some(_), None) => {}
                }
            }
        }
        Ok(())
    }
}

/// One connection: its line is sent, its reply is not yet complete.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    number: usize,
    since: Instant,
    reply: [u8; LINE],
    filled: usize,
}

impl Client {
    fn start(address: SocketAddr, number: Option<usize>, is_alone: bool) -> Result<Option<Self>> {
        let Some(number) = number else { return Ok(None) };
        let since = Instant::now();
        let mut stream = connect(address, 0)?;
        if is_alone {
            stream.set_read_timeout(Some(REPLY_LIMIT))?;
        }
        stream.write_all(&line(number))?;
        Ok(Some(Self { stream, number, since, reply: [0; LINE], filled: 0 }))
    }

    /// Reads once; when the reply is complete, tells when all began.
    fn receive(&mut self) -> Result<Option<Instant>> {
        let count = self.stream.read(&mut self.reply[self.filled..])?;
        if count == 0 {
            return Err("a connection ended before its reply was complete".into());
        }
        self.filled += count;
        if self.filled < LINE {
            return Ok(None);
        }
        compare(self.number, &self.reply)?;
        Ok(Some(self.since))
    }
}
