//! Waiting on descriptors, closing one while keeping its number, taking over an inherited one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What is waited for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Input, the end of input, or an error.
    Read,
    /// Room for output, or an error.
    Write,
}

/// Waits until a descriptor is ready, a signal arrives, or `timeout` has passed: `ppoll(2)`.
///
/// `entries` whose descriptor is `None` are never ready. Returns for each entry whether it is
/// ready; all are false after a signal or at the end of the timeout.
///
/// # Errors
///
/// `ENOMEM`, as `ppoll(2)` has it.
pub fn wait<const N: usize>(
    entries: [(Option<BorrowedFd<'_>>, Interest); N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = [const { None }; N];
    let mut fds = Vec::with_capacity(N);
    for (index, (fd, interest)) in entries.iter().enumerate() {
        let Some(fd) = fd else { continue };
        let flags = match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
        };
        polled[index] = Some(fds.len());
        fds.push(PollFd::from_borrowed_fd(*fd, flags));
    }
    match poll(&mut fds, timeout.map(timespec).as_ref()) {
        Ok(_) => {
            Ok(polled.map(|at: Option<usize>| at.is_some_and(|at| !fds[at].revents().is_empty())))
        }
        Err(Errno::INTR) => Ok([false; N]),
        Err(error) => Err(error.into()),
    }
}

/// A `timespec` of `duration`; one too long to say stands for the longest that can be said.
fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
}

/// Takes over a descriptor that this process was started with, by its number. From then on it is
/// closed in programs that this process starts.
///
/// # Errors
///
/// `InvalidInput` for the standard streams (0 to 2), which are not to be had; `EBADF` for a
/// number under which nothing is open; `InvalidInput` for a descriptor that is closed on `exec`,
/// which was therefore not inherited and belongs to somebody in this process, or has been taken
/// before.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    static TAKING: Mutex<()> = Mutex::new(());

    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if (0..=2).contains(&number) {
        return refuse(format!("descriptor {number} is one of the standard streams"));
    }
    // From the look at the flag until it is set, so that two cannot take the same.
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: it takes numbers, and only reads a flag; EBADF says that nothing is open.
    let flags = unsafe { nix::libc::fcntl(number, nix::libc::F_GETFD) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    if flags & nix::libc::FD_CLOEXEC != 0 {
        return refuse(format!("descriptor {number} was not inherited, or is in use already"));
    }
    // SAFETY: it is open, as was just seen. It has no other owner: whatever Rust code has opened
    // is closed on `exec`, and so is whatever was taken before, for the next line sees to that.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// A descriptor that stands for a closed one: every read, write, accept and poll of it fails with
/// `EBADF` or says that it is invalid.
///
/// Kept for two uses: [`bury`](Self::bury) puts it in the place of another, and giving it up frees a number
/// for a moment when a process has run out of them.
#[derive(Debug)]
pub struct Tombstone(OwnedFd);

impl Tombstone {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// As `open(2)` of `/` with `O_PATH`: `EMFILE` or `ENFILE`.
    pub fn new() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open("/", flags, Mode::empty())?))
    }

    /// Closes what is open under `fd`, and keeps the number: `dup3(2)` of this over it.
    ///
    /// Threads that still wait for, or are about to use, the descriptor find it closed, and never
    /// somebody else's file that was given the same number.
    ///
    /// # Errors
    ///
    /// `EBUSY` and `EINTR`, as `dup3(2)` has them.
    pub fn bury(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let (from, to) = (self.0.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: both descriptors are borrowed, so open. The number stays open under its owner,
        // who will close it as before, so no borrow of it dangles.
        let rc = unsafe { nix::libc::dup3(from, to, nix::libc::O_CLOEXEC) };
        if rc == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A set of descriptors that is itself a descriptor, readable when one of them is: `epoll(7)`.
#[derive(Debug)]
pub struct Set(OwnedFd);

impl Set {
    /// Makes an empty set.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` and `ENOMEM`, as `epoll_create1(2)` has them.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Adds a descriptor under a key of the caller's.
    ///
    /// It leaves the set when its last duplicate is closed.
    ///
    /// # Errors
    ///
    /// `EEXIST`, `EPERM`, `ENOMEM` and `ENOSPC`, as `epoll_ctl(2)` has them.
    pub fn add(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::add(&self.0, fd, data, epoll::EventFlags::IN)?)
    }

    /// Takes a descriptor out of the set, which a close alone does not do when somebody else, a
    /// forked child say, has a duplicate.
    ///
    /// # Errors
    ///
    /// `ENOENT` when it is not in the set, as `epoll_ctl(2)` has it.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// The keys of those that are readable now, at most 64 of them.
    ///
    /// # Errors
    ///
    /// None that a set of this type is known to give.
    pub fn ready(&self) -> io::Result<Vec<u64>> {
        let mut events = Vec::with_capacity(64);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), Some(&now))?;
        Ok(events.iter().map(|event| event.data.u64()).collect())
    }
}

impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use rustix::io::FdFlags;

    use super::{Interest, Set, Tombstone, take, wait};

    #[test]
    fn a_buried_descriptor_keeps_its_number_and_is_closed() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        Tombstone::new().unwrap().bury(ours.as_fd()).unwrap();
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "the peer sees the end");
        assert_eq!(ours.read(&mut [0]).unwrap_err().raw_os_error(), Some(nix::libc::EBADF));
        assert_ne!(UnixStream::pair().unwrap().0.as_raw_fd(), number);
        let [ready] = wait([(Some(ours.as_fd()), Interest::Read)], None).unwrap();
        assert!(ready, "waiting for it does not hang");
    }

    #[test]
    fn only_an_inherited_descriptor_is_taken_and_only_once() {
        let refused = |number| take(number).unwrap_err().kind();
        assert_eq!(refused(1), std::io::ErrorKind::InvalidInput);
        assert_eq!(take(9999).unwrap_err().raw_os_error(), Some(nix::libc::EBADF));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(refused(ours.as_raw_fd()), std::io::ErrorKind::InvalidInput);

        // What looks like inherited: a duplicate that stays open on exec.
        let number = rustix::io::dup(&ours).unwrap().into_raw_fd();
        let taken = take(number).unwrap();
        assert!(rustix::io::fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(refused(number), std::io::ErrorKind::InvalidInput, "taken before");
        drop((ours, taken));
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it is closed by its new owner");
    }

    #[test]
    fn waiting_tells_which_is_ready() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = Some(ours.as_fd());
        let entries = [(fd, Interest::Read), (None, Interest::Read), (fd, Interest::Write)];
        assert_eq!(wait(entries, Some(Duration::MAX)).unwrap(), [false, false, true]);
    }

    #[test]
    fn a_set_gives_the_keys_of_what_is_readable() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let set = Set::new().unwrap();
        set.add(ours.as_fd(), 7).unwrap();
        assert_eq!(set.ready().unwrap(), [] as [u64; 0]);
        drop(theirs);
        assert_eq!(set.ready().unwrap(), [7]);
    }

    #[test]
    fn a_set_forgets_what_is_removed_even_while_a_duplicate_is_open() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let set = Set::new().unwrap();
        set.add(ours.as_fd(), 7).unwrap();
        let _duplicate = ours.try_clone().unwrap();
        drop(theirs);
        set.remove(ours.as_fd()).unwrap();
        drop(ours);
        assert_eq!(set.ready().unwrap(), [] as [u64; 0]);
    }
}
