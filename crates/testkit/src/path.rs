use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A path for a socket, in a folder of its own under the temporary folder: short enough for
/// `sun_path`, and with nothing there.
///
/// # Panics
///
/// When the folder cannot be made.
pub fn socket_path() -> SocketPath {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("ss-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    if let Err(error) = fs::create_dir(&folder) {
        panic!("cannot make {}: {error}", folder.display());
    }
    SocketPath { path: folder.join("s"), folder }
}

/// See [`socket_path`]. Removes the folder and all in it when it is dropped.
#[derive(Debug)]
pub struct SocketPath {
    folder: PathBuf,
    path: PathBuf,
}

impl SocketPath {
    /// The folder that the path is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is in the folder.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl std::ops::Deref for SocketPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
