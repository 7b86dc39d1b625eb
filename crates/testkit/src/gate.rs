use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use socketserver_coroutine::io;

use crate::DEADLINE;

/// Holds threads, coroutines and forked children up until it is opened.
#[derive(Debug)]
pub struct Gate {
    inside: UnixStream,
    outside: UnixStream,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed one.
    ///
    /// # Panics
    ///
    /// When no socket can be had.
    pub fn new() -> Self {
        match UnixStream::pair() {
            Ok((inside, outside)) => Self { inside, outside },
            Err(error) => panic!("cannot make a gate: {error}"),
        }
    }

    /// Waits until the gate is open. Returns whether it is: nobody is held longer than the
    /// deadline.
    pub fn pass(&self) -> bool {
        matches!(io::recv(self.inside.as_fd(), &mut [0], Some(DEADLINE)), Ok(0))
    }

    /// Lets everybody through, from now on.
    pub fn open(&self) {
        // A shutdown, and not a close: forked children have the descriptors too.
        let _ = self.outside.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;

    #[test]
    fn a_gate_once_opened_stays_open() {
        let gate = Gate::new();
        std::thread::scope(|scope| {
            let held = scope.spawn(|| gate.pass());
            gate.open();
            assert!(held.join().unwrap());
        });
        assert!(gate.pass());
    }
}
