//! One thread and an io_uring: the limit for what waits by io_uring.
//!
//! One operation accepts all clients, and one for each connection receives all its input, into
//! buffers that are taken only when there is some. All lines of a receive go back in one send;
//! what comes while that is under way is gathered for the next. One system call submits all that
//! a round has brought, and waits for the next round.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use socketserver_coroutine::ring::{Carried, Completion, Config, Ring};

use super::lines::Lines;
use crate::Result;

pub(in crate::serve) fn serve() -> Result<()> {
    // Before the port is told: without io_uring there is no server.
    let ring = Ring::new(&Config { entries: 1024, buffer_count: 512, buffer_size: 4096 })?;
    let listener = super::std::listen()?;
    let (connections, free) = (Vec::new(), Vec::new());
    let mut server =
        Loop { ring, listener, connections, free, spare: Vec::new(), reply: Vec::new() };
    server.ring.accept_multi(&server.listener, LISTENER);
    loop {
        server.ring.submit_and_wait(1, None)?;
        while let Some(completion) = server.ring.pop() {
            match completion.token {
                LISTENER => server.accepted(completion)?,
                token if token % 2 == 0 => server.received((token / 2) as usize, completion),
                token => server.sent((token / 2) as usize, completion),
            }
        }
    }
}

/// The token of the accept; a receive has twice the connection's index, its send one more.
const LISTENER: u64 = u64::MAX;

struct Loop {
    ring: Ring,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Vectors that a send has given back.
    spare: Vec<Vec<u8>>,
    reply: Vec<u8>,
}

struct Connection {
    socket: OwnedFd,
    lines: Lines,
    /// Replies that wait for the send that is under way.
    gathered: Vec<u8>,
    is_receiving: bool,
    is_sending: bool,
    has_failed: bool,
}

impl Loop {
    fn accepted(&mut self, completion: Completion) -> Result<()> {
        if !completion.more {
            self.ring.accept_multi(&self.listener, LISTENER);
        }
        match (completion.result, completion.carried) {
            (_, Carried::Socket(socket, _)) => self.add(socket),
            (Err(error), _) if Errno::from_io_error(&error) != Some(Errno::CONNABORTED) => {
                return Err(error.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, socket: OwnedFd) {
        let index = self.free.pop().unwrap_or(self.connections.len());
        if index == self.connections.len() {
            self.connections.push(None);
        }
        self.ring.recv_multi(&socket, index as u64 * 2);
        self.connections[index] = Some(Connection {
            socket,
            lines: Lines::default(),
            gathered: Vec::new(),
            is_receiving: true,
            is_sending: false,
            has_failed: false,
        });
    }

    fn received(&mut self, index: usize, completion: Completion) {
        let Some(connection) = &mut self.connections[index] else { return };
        connection.is_receiving = completion.more;
        match completion.result {
            Ok(0) => connection.gathered.extend_from_slice(connection.lines.rest()),
            Ok(_) => {
                if let Carried::Buffer(buffer) = &completion.carried {
                    let complete = connection.lines.complete(buffer, &mut self.reply);
                    if connection.gathered.capacity() == 0 {
                        connection.gathered = self.spare.pop().unwrap_or_default();
                    }
                    connection.gathered.extend_from_slice(complete);
                }
                self.receive_again(index);
            }
            // The buffers that are taken come back in this round.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => {
                self.receive_again(index);
            }
            Err(_) => connection.has_failed = true,
        }
        self.go_on(index);
    }

    /// A receive that has ended before the input has.
    fn receive_again(&mut self, index: usize) {
        if let Some(connection) = &mut self.connections[index]
            && !connection.is_receiving
        {
            self.ring.recv_multi(&connection.socket, index as u64 * 2);
            connection.is_receiving = true;
        }
    }

    fn sent(&mut self, index: usize, completion: Completion) {
        if let Carried::Bytes(mut bytes) = completion.carried {
            bytes.clear();
            self.spare.push(bytes);
        }
        let Some(connection) = &mut self.connections[index] else { return };
        connection.is_sending = false;
        if completion.result.is_err() && !connection.has_failed {
            connection.has_failed = true;
            // Nothing that it may still send is of use to anybody.
            self.ring.cancel_fd(&connection.socket);
        }
        self.go_on(index);
    }

    /// Sends what there is to send, or closes when nothing is left to do.
    fn go_on(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else { return };
        if connection.is_sending {
            return;
        }
        if !connection.gathered.is_empty() && !connection.has_failed {
            let bytes = std::mem::take(&mut connection.gathered);
            let all = 0..bytes.len();
            self.ring.send(&connection.socket, bytes, all, index as u64 * 2 + 1);
            connection.is_sending = true;
        } else if !connection.is_receiving
            && let Some(connection) = self.connections[index].take()
        {
            self.ring.close(connection.socket);
            self.free.push(index);
        }
    }
}
