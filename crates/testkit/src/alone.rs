use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{eventually, watch};

static ALONE: Mutex<()> = Mutex::new(());

/// How the threads of the library are called.
const THREAD_PREFIX: &str = "socketserver";

/// Lets this test run while no other of the same binary does, and checks when it is dropped that
/// nothing is left behind. A test that hangs ends the process, after a minute.
///
/// Declare it first in a test, so that it is dropped last.
#[must_use = "the check is made when it is dropped"]
pub fn alone() -> Alone {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    watch::begin();
    Alone { descriptors: descriptors(), children: children(), _guard: guard }
}

/// See [`alone`].
#[derive(Debug)]
pub struct Alone {
    descriptors: BTreeMap<i32, String>,
    children: Vec<u32>,
    _guard: MutexGuard<'static, ()>,
}

impl Drop for Alone {
    fn drop(&mut self) {
        watch::end();
        // The failure that is already under way says more.
        if std::thread::panicking() {
            return;
        }
        eventually("no thread of ours is left", || threads().is_empty());
        let mut left = children();
        left.retain(|child| !self.children.contains(child));
        assert!(left.is_empty(), "children are left, or their zombies: {left:?}");
        let now = descriptors();
        let left: Vec<_> =
            now.iter().filter(|(number, _)| !self.descriptors.contains_key(number)).collect();
        assert!(left.is_empty(), "descriptors are left: {left:?}");
    }
}

/// The descriptors of this process, and what they are.
pub fn descriptors() -> BTreeMap<i32, String> {
    let Ok(folder) = fs::read_dir("/proc/self/fd") else {
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for entry in folder.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        // The folder that is being read is itself a descriptor.
        if let (Ok(number), false) =
            (entry.file_name().to_string_lossy().parse(), target.starts_with("/proc/"))
        {
            found.insert(number, target);
        }
    }
    found
}

/// The names of the threads that the library has made in this process.
pub fn threads() -> Vec<String> {
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let main = std::process::id().to_string();
    folder
        .flatten()
        // It is called after the program, which may be called as the library is.
        .filter(|entry| entry.file_name() != *main)
        .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .filter(|name| name.starts_with(THREAD_PREFIX))
        .collect()
}

/// Whether the thread of this process that is called `name` waits in `ppoll(2)` without a
/// timeout, so that nothing but an event can wake it.
pub fn sleeps_for_ever(name: &str) -> bool {
    /// The number of the call, as `/proc` shows it.
    const PPOLL: &str = if cfg!(target_arch = "x86_64") { "271" } else { "73" };

    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return false;
    };
    folder.flatten().any(|entry| {
        let read = |file| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let call = read("syscall");
        let mut words = call.split_whitespace();
        // Its number, and its third argument.
        read("comm").trim_end() == name
            && words.next() == Some(PPOLL)
            && words.nth(2) == Some("0x0")
    })
}

/// The process ids of this process's children, zombies among them.
pub fn children() -> Vec<u32> {
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let lists =
        folder.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}
