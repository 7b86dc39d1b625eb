//! One thread and an edge-triggered epoll: the limit for what waits by epoll.
//!
//! A connection is registered once, and read before that. All lines of a read go back in one send,
//! from the buffer that they were read into. A read that does not fill the buffer has drained the
//! socket, so no call is spent on being told so.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use super::lines::Lines;
use crate::Result;

pub(in crate::serve) fn serve() -> Result<()> {
    let listener = super::std::listen()?;
    listener.set_nonblocking(true)?;
    let mut server = Loop {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        listener,
        connections: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; 64 * 1024],
        reply: Vec::new(),
    };
    server.register(&server.listener, LISTENER, EventFlags::IN)?;
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match { event.data }.u64() {
                LISTENER => server.accept()?,
                index => server.ready(index as usize, event.flags),
            }
        }
    }
}

const LISTENER: u64 = u64::MAX;

struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    reply: Vec<u8>,
}

struct Connection {
    socket: OwnedFd,
    lines: Lines,
    /// Replies that there was no room for; while there are any, nothing is read.
    unsent: Vec<u8>,
    /// Whether the client has sent its last byte.
    ended: bool,
}

/// Whether a connection is still of use.
#[derive(PartialEq)]
enum State {
    Open,
    Over,
}

impl Loop {
    /// One client for each event: what is still in the queue makes another event.
    fn accept(&mut self) -> Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut connection =
            Connection { socket, lines: Lines::default(), unsent: Vec::new(), ended: false };
        if connection.read(&mut self.buffer, &mut self.reply) == State::Over {
            return Ok(());
        }
        let index = self.free.pop().unwrap_or(self.connections.len());
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        self.register(&connection.socket, index as u64, interest)?;
        if index == self.connections.len() {
            self.connections.push(None);
        }
        self.connections[index] = Some(connection);
        Ok(())
    }

    fn register(&self, socket: impl AsFd, data: u64, interest: EventFlags) -> Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(data), interest)?)
    }

    fn ready(&mut self, index: usize, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        connection.ended |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let mut state = State::Open;
        if !connection.unsent.is_empty() && flags.contains(EventFlags::OUT) {
            state = connection.send_rest();
        }
        let readable = flags.contains(EventFlags::IN) || connection.ended;
        if state == State::Open && readable && connection.unsent.is_empty() {
            state = connection.read(&mut self.buffer, &mut self.reply);
        }
        if state == State::Over {
            self.connections[index] = None;
            self.free.push(index);
        }
    }
}

impl Connection {
    /// Reads until there is no more, or no room for the replies.
    fn read(&mut self, buffer: &mut [u8], reply: &mut Vec<u8>) -> State {
        loop {
            let count = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => {
                    // Whatever has no room now never will: the client is gone.
                    let _ = send(&self.socket, self.lines.rest(), SendFlags::NOSIGNAL);
                    return State::Over;
                }
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return State::Open,
                Err(Errno::INTR) => continue,
                Err(_) => return State::Over,
            };
            let complete = self.lines.complete(&buffer[..count], reply);
            if !complete.is_empty() {
                match send(&self.socket, complete, SendFlags::NOSIGNAL) {
                    Ok(sent) => self.unsent.extend_from_slice(&complete[sent..]),
                    Err(Errno::AGAIN | Errno::INTR) => self.unsent.extend_from_slice(complete),
                    Err(_) => return State::Over,
                }
            }
            if !self.unsent.is_empty() {
                return self.send_rest();
            }
            if count < buffer.len() && !self.ended {
                return State::Open;
            }
        }
    }

    /// Sends what there was no room for; reading goes on when the last of it is gone.
    fn send_rest(&mut self) -> State {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => return State::Open,
                Err(Errno::INTR) => {}
                Err(_) => return State::Over,
            }
        }
        State::Open
    }
}
