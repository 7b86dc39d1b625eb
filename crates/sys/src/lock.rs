//! A lock that processes share.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// The lock of a folder, until it is dropped: `flock(2)`. It keeps out only those who ask for it.
#[derive(Debug)]
pub struct FolderLock(OwnedFd);

impl FolderLock {
    /// Locks `folder`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when another has it; else as `open(2)` has them, for the folder must be
    /// readable.
    pub fn try_new(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = open(folder, flags, Mode::empty())?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(folder))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // To close it is not enough: a child that was forked meanwhile has a copy.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::{NotFound, WouldBlock};
    use std::path::Path;

    use super::FolderLock;

    #[test]
    fn one_at_a_time_has_the_lock() {
        let folder = std::env::temp_dir().join(format!("ss-lock-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let lock = FolderLock::try_new(&folder).unwrap();
        let copy = lock.0.try_clone().unwrap();
        assert_eq!(FolderLock::try_new(&folder).unwrap_err().kind(), WouldBlock);
        drop(lock);
        drop(FolderLock::try_new(&folder).unwrap());
        drop(copy);
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(FolderLock::try_new(Path::new("/no/such")).unwrap_err().kind(), NotFound);
    }
}
