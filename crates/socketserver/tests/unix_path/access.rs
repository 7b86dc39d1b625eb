//! Who may use a path: its mode and its owner, from its first moment on.

use std::fs;
use std::io::ErrorKind::PermissionDenied;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};
use rustix::fs::Mode;
use rustix::process::umask;
use testkit::{alone, socket_path, within_deadline};

use crate::noting::connect;
use crate::{DatagramServer, StreamServer, back_greeter, greeter};

/// The umask of the process, for as long as this lives; no other test runs meanwhile.
struct Umask(Mode);

impl Umask {
    fn set(mask: u32) -> Self {
        Self(umask(Mode::from_raw_mode(mask)))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        umask(self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// B34: whatever the umask leaves or does not.
#[test]
fn the_path_has_the_mode_that_was_asked_for() {
    let _alone = alone();
    let path = socket_path();
    for mask in [0o000, 0o022, 0o077, 0o777] {
        let _umask = Umask::set(mask);
        for asked in [0o600, 0o660, 0o666, 0o777] {
            let server = StreamServer::builder(greeter).mode(asked).bind(&path).unwrap();
            assert_eq!(mode(&path), asked, "under a umask of {mask:o}");
            drop(server);
            let server = DatagramServer::builder(back_greeter).mode(asked).bind(&path).unwrap();
            assert_eq!(mode(&path), asked, "under a umask of {mask:o}");
            drop(server);
        }
        let server = StreamServer::bind(&path, greeter).unwrap();
        assert_eq!(mode(&path), 0o777 & !mask);
        drop(server);
    }
}

/// B34: a path that is made open and closed afterwards can be used by anybody in between. Somebody
/// looks all the time here, under the widest of umasks.
#[test]
fn at_no_time_is_the_mode_wider_than_was_asked_for() {
    let _alone = alone();
    let path = socket_path();
    let _umask = Umask::set(0);
    let done = AtomicBool::new(false);
    let (mut seen, mut widest) = (0, 0);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Ok(metadata) = fs::symlink_metadata(&path) {
                    seen += 1;
                    widest |= metadata.permissions().mode() & 0o777;
                }
            }
        });
        for _ in 0..1000 {
            drop(StreamServer::builder(greeter).mode(0o600).bind(&path).unwrap());
        }
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap();
    });
    assert!(seen > 0);
    assert_eq!(widest, 0o600);
}

/// Somebody who may do nothing special: `nobody`, on most systems.
const NOBODY: u32 = 65534;

/// B34. Only root may give a path away; others may name themselves.
#[test]
fn the_path_has_the_owner_that_was_asked_for() {
    let _alone = alone();
    let path = socket_path();
    let own = fs::metadata(path.folder()).unwrap();
    let (uid, gid) = match geteuid().is_root() {
        true => (NOBODY, NOBODY),
        false => (own.uid(), own.gid()),
    };
    for (uid, gid) in [(Some(uid), Some(gid)), (Some(uid), None), (None, Some(gid))] {
        let builder = StreamServer::builder(greeter).owner(uid, gid).mode(0o606);
        let server = builder.bind(&path).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.uid(), uid.unwrap_or(own.uid()));
        assert_eq!(metadata.gid(), gid.unwrap_or(own.gid()));
        assert_eq!(mode(&path), 0o606);
        drop(server);
    }
}

/// B34: the error names the path, and no path of the wrong owner is left.
#[test]
fn an_owner_that_may_not_be_given_is_an_error_and_leaves_no_path() {
    let _alone = alone();
    let path = socket_path();
    fs::set_permissions(path.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let place = path.to_path_buf();
    // On Linux each thread has its own, so this one can become nobody, and its end undoes it.
    let (stream, datagram) = within_deadline(move || {
        setfsgid(Gid::from_raw(NOBODY));
        setfsuid(Uid::from_raw(NOBODY));
        let stream = StreamServer::builder(greeter).owner(0, 0).bind(&place);
        let datagram = DatagramServer::builder(back_greeter).owner(0, 0).bind(&place);
        (stream.unwrap_err(), datagram.unwrap_err())
    });
    for error in [stream, datagram] {
        assert_eq!(error.kind(), PermissionDenied);
        let told = format!("cannot bind to {}: Operation not permitted", path.display());
        assert!(error.to_string().starts_with(&told), "{error}");
    }
    assert!(path.left().is_empty(), "{:?}", path.left());
}

/// B34: who the mode shuts out cannot connect.
#[test]
fn the_mode_decides_who_may_connect() {
    let _alone = alone();
    let path = socket_path();
    fs::set_permissions(path.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    if !geteuid().is_root() {
        // There is nobody else to be.
        return;
    }
    for (mode, expected) in [(0o600, Err(PermissionDenied)), (0o666, Ok(()))] {
        let server = StreamServer::builder(greeter).mode(mode).bind(&path).unwrap();
        let server = server.spawn().unwrap();
        let place = path.to_path_buf();
        let connected = within_deadline(move || {
            setfsgid(Gid::from_raw(NOBODY));
            setfsuid(Uid::from_raw(NOBODY));
            std::os::unix::net::UnixStream::connect(place).map(drop)
        });
        assert_eq!(connected.map_err(|error| error.kind()), expected);
        assert_eq!(connect(server.server_address()).read_to_end().unwrap(), b"hello");
        crate::noting::stop(server);
    }
}
