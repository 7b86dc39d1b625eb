use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use socketserver_sys::errno;

use super::core::Core;
use crate::observe::{AcceptAction, Event};
use crate::transport::{Tombstone, Transport};

/// The shortest and the longest time that a server takes no requests for after an error of its
/// host's.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How often errors are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Whose fault an error of `accept(2)` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// There was nothing to accept.
    Nothing,
    /// That one client's, or the network's on the way to it.
    Client,
    /// The process or the system has no descriptor left.
    Descriptors,
    /// The host has no memory left for it, or a transport of the user's has an error of its own.
    Host,
    /// The socket is no use any more.
    Socket,
}

fn class(error: &io::Error) -> Class {
    use io::ErrorKind::{Interrupted, WouldBlock};
    if matches!(error.kind(), WouldBlock | Interrupted) {
        return Class::Nothing;
    }
    match error.raw_os_error() {
        Some(number) if errno::OF_CLIENT.contains(&number) => Class::Client,
        Some(errno::EMFILE | errno::ENFILE) => Class::Descriptors,
        // An error without a number comes from a transport of the user's, not from the kernel.
        Some(errno::ENOBUFS | errno::ENOMEM) | None => Class::Host,
        Some(_) => Class::Socket,
    }
}

/// What one loop has seen of errors.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    /// No request is taken until then.
    until: Option<Instant>,
    /// How long the next pause will be.
    next: Duration,
    told: Option<Instant>,
    untold: u64,
}

impl Accepting {
    /// How long the socket must still be left alone; `None` if it need not be.
    pub(super) fn paused(&mut self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.until = None;
            return None;
        }
        Some(left)
    }

    /// Notes that a request was taken.
    pub(super) fn succeeded(&mut self) {
        self.next = Duration::ZERO;
    }

    pub(super) fn pause(&mut self) -> Duration {
        let (shortest, longest) = PAUSE;
        let pause = self.next.clamp(shortest, longest);
        self.next = pause * 2;
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// Deals with an error of `get_request`. Returns whether there was something to accept.
    ///
    /// # Errors
    ///
    /// Gives the error back when the loop must end.
    pub(super) fn failed<T: Transport, S>(
        &mut self,
        core: &Core<T, S>,
        error: io::Error,
    ) -> io::Result<bool> {
        let action = match class(&error) {
            Class::Nothing => return Ok(false),
            Class::Client => AcceptAction::Continue,
            Class::Descriptors => match core.shed() {
                Ok(()) => AcceptAction::Shed,
                // The kernel wants a descriptor before it looks whether there is a client.
                Err(Class::Nothing) => return Ok(false),
                Err(_) => AcceptAction::Pause(self.pause()),
            },
            Class::Host => AcceptAction::Pause(self.pause()),
            Class::Socket => AcceptAction::Stop,
        };
        self.tell(core, &error, action);
        if action == AcceptAction::Stop { Err(error) } else { Ok(true) }
    }

    /// Notes that a client was turned away because of `error`.
    pub(super) fn shed<T: Transport, S>(&mut self, core: &Core<T, S>, error: &io::Error) {
        self.tell(core, error, AcceptAction::Shed);
    }

    fn tell<T: Transport, S>(
        &mut self,
        core: &Core<T, S>,
        error: &io::Error,
        action: AcceptAction,
    ) {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if is_due || action == AcceptAction::Stop {
            core.observe(&Event::AcceptError { error, action, untold: self.untold });
            self.told = Some(Instant::now());
            self.untold = 0;
        } else {
            self.untold += 1;
        }
    }
}

impl<T: Transport, S> Core<T, S> {
    /// Accepts a client on the spare descriptor and closes it at once, so that it knows.
    fn shed(&self) -> Result<(), Class> {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it is given up, so that whoever gets its number looks.
        self.is_reserve_lost.store(true, Ordering::SeqCst);
        let shed = match reserve.take() {
            Some(given_up) => {
                drop(given_up);
                let shed = self.transport.get_request(&self.socket).map(drop);
                shed.map_err(|error| class(&error))
            }
            None => Err(Class::Descriptors),
        };
        *reserve = Tombstone::new().ok();
        self.is_reserve_lost.store(reserve.is_none(), Ordering::SeqCst);
        shed
    }

    /// Whether there is a spare descriptor, as there is unless another thread has taken its number
    /// while a client was shed. It may be that a client was accepted with it.
    pub(super) fn has_reserve(&self) -> bool {
        if !self.is_reserve_lost.load(Ordering::SeqCst) {
            return true;
        }
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        if reserve.is_none() {
            *reserve = Tombstone::new().ok();
        }
        self.is_reserve_lost.store(reserve.is_none(), Ordering::SeqCst);
        reserve.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Class, class};

    #[test]
    fn errors_are_told_apart_by_whose_fault_they_are() {
        let of = |number| class(&io::Error::from_raw_os_error(number));
        // EAGAIN, EINTR
        assert_eq!([11, 4].map(of), [Class::Nothing; 2]);
        // EPERM, ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH, ECONNABORTED,
        // ECONNRESET, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH
        let clients = [1, 64, 71, 92, 95, 100, 101, 103, 104, 110, 112, 113];
        assert_eq!(clients.map(of), [Class::Client; 12]);
        // ENFILE, EMFILE
        assert_eq!([23, 24].map(of), [Class::Descriptors; 2]);
        // ENOMEM, ENOBUFS
        assert_eq!([12, 105].map(of), [Class::Host; 2]);
        // EBADF, EINVAL, ENOTSOCK
        assert_eq!([9, 22, 88].map(of), [Class::Socket; 3]);
        assert_eq!(class(&io::Error::other("of a user's transport")), Class::Host);
    }
}
