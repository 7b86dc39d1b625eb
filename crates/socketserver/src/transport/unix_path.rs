use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver_sys::lock::FolderLock;

use super::{BeforeBind, Tombstone, name_error};

/// How long a server waits for others that start at the same time. They take microseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A Unix socket, and the path that it was bound to, if that is to be removed when it is closed.
#[derive(Debug)]
pub struct Bound<S> {
    pub(super) socket: S,
    path: OwnPath,
}

impl<S> Bound<S> {
    /// The socket itself.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The same path for a socket made of this one.
    pub(super) fn map<S2>(self, make: impl FnOnce(S) -> S2) -> Bound<S2> {
        Bound { socket: make(self.socket), path: self.path }
    }
}

/// A socket that was bound elsewhere: its path stays.
impl<S> From<S> for Bound<S> {
    fn from(socket: S) -> Self {
        Self { socket, path: OwnPath(Mutex::new(None)) }
    }
}

impl<S: AsFd> AsFd for Bound<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S: AsFd> Bound<S> {
    /// Removes the path, if it is still that of this socket, and closes the socket.
    pub(super) fn close(&self, tombstone: &Tombstone) -> io::Result<()> {
        // The path first, for a client that finds it expects somebody there.
        self.path.remove();
        tombstone.bury(self.socket.as_fd())
    }
}

/// A path that is removed once: when its server is closed, or never comes to be.
#[derive(Debug)]
struct OwnPath(Mutex<Option<BoundPath>>);

impl OwnPath {
    fn remove(&self) {
        let path = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(path) = path {
            path.remove();
        }
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A path in the file system that a socket of ours was bound to.
#[derive(Debug)]
struct BoundPath {
    /// Absolute, for the working directory may change.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl BoundPath {
    fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), path })
    }

    fn is_still_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }

    fn remove(&self) {
        if self.is_still_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who may use a path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Access {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// Makes a Unix socket and binds it to `path`: a path in the file system, an abstract name after
/// a leading NUL, or nothing, for an abstract name that the kernel chooses.
///
/// A path that is there already is replaced only when it is a socket that nobody answers.
pub(super) fn bind(
    path: &Path,
    kind: Type,
    access: Access,
    before_bind: &BeforeBind,
) -> io::Result<Bound<Socket>> {
    let doing = |error: io::Error| name_error(&error, "bind to", shown(path));
    let address = SockAddr::unix(path).map_err(|error| doing(too_long(path).unwrap_or(error)))?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    before_bind.call(&socket)?;
    let in_file_system = !matches!(path.as_os_str().as_bytes().first(), None | Some(0));
    if let (true, Some(mode)) = (in_file_system, access.mode) {
        // The path is made with this mode less the umask, so it is never more open than asked.
        socketserver_sys::socket::set_mode(socket.as_fd(), mode).map_err(doing)?;
    }
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && in_file_system => {
            let _lock = lock_folder_of(path).map_err(doing)?;
            remove_stale(path, &address).map_err(doing)?;
            socket.bind(&address).map_err(doing)?;
        }
        result => result.map_err(doing)?,
    }
    let own = if in_file_system { Some(BoundPath::of(path).map_err(doing)?) } else { None };
    // From here on, an error takes the path away again.
    let bound = Bound { socket, path: OwnPath(Mutex::new(own)) };
    if in_file_system {
        grant(path, access).map_err(doing)?;
    }
    Ok(bound)
}

/// Gives the path its owner and the rest of its mode.
fn grant(path: &Path, access: Access) -> io::Result<()> {
    if access.uid.is_some() || access.gid.is_some() {
        chown(path, access.uid, access.gid)?;
    }
    match access.mode {
        Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// Keeps other servers that start at the same time from replacing `path` too: one that has found
/// it stale would else remove the path of one that has just replaced it.
///
/// Without a lock in a folder that may not be read.
fn lock_folder_of(path: &Path) -> io::Result<Option<FolderLock>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match FolderLock::try_new(folder.unwrap_or(Path::new("."))) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Ok(result.ok()),
        }
        if Instant::now() >= deadline {
            let text = "another server is starting there";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Removes `path` if it is a socket and nobody answers it.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return in_use("there is something that is not a socket"),
        // Whoever had it has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let found = BoundPath::of(path)?;
    // A datagram socket, whatever is there: to connect it does not wait and is seen by nobody; it
    // is refused only if there is no socket any more, while a stream socket would be refused too
    // by a server that has not yet come to listen.
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => return in_use("another server answers there"),
    }
    found.remove();
    Ok(())
}

fn too_long(path: &Path) -> Option<io::Error> {
    // What is left of the 108 bytes of `sun_path` after the NUL.
    const MOST: usize = 107;
    let len = path.as_os_str().len();
    (len > MOST).then(|| {
        let text = format!("the path has {len} bytes, and a Unix socket's at most {MOST}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

fn shown(path: &Path) -> String {
    match path.as_os_str().as_bytes() {
        [0, name @ ..] => format!("@{}", name.escape_ascii()),
        _ => path.display().to_string(),
    }
}
