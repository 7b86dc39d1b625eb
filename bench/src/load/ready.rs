//! Which of many sockets have something to read: a level-triggered epoll.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::REPLY_LIMIT;
use crate::Result;

/// Sockets with a number each.
pub(super) struct Ready {
    epoll: OwnedFd,
    events: Vec<Event>,
    limit: Timespec,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Ready {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let limit = Timespec::try_from(REPLY_LIMIT)?;
        Ok(Self { epoll, events: Vec::with_capacity(1024), limit })
    }

    /// Adds a socket; it leaves when it is closed.
    pub(super) fn add(&mut self, socket: impl AsFd, number: usize) -> Result<()> {
        let data = EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN)?)
    }

    /// Waits for the next that can be read, or have ended.
    ///
    /// # Errors
    ///
    /// If there is none for as long as a reply may take.
    pub(super) fn wait(&mut self) -> Result<impl Iterator<Item = usize> + use<>> {
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&self.limit))?;
        if self.events.is_empty() {
            return Err("no reply in time".into());
        }
        let numbers: Vec<usize> =
            self.events.iter().map(|event| { event.data }.u64() as usize).collect();
        Ok(numbers.into_iter())
    }
}
