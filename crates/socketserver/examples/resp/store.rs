//! The server's state: keys, their values, and when they end.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socketserver::BaseServer;

/// How many bytes of keys and values are kept, at the most.
const CAPACITY: usize = 256 * 1024 * 1024;

/// What an entry costs besides its bytes, about.
const OVERHEAD: usize = 128;

type Bytes = Arc<[u8]>;

/// All keys and values, behind one lock; nobody writes to a client while holding it.
#[derive(Default)]
pub(crate) struct Store(Mutex<Table>);

impl Store {
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BaseServer for Store {
    /// Frees what has ended, so that it need not be asked for to go away.
    fn service_actions(&self) {
        self.table().sweep();
    }
}

#[derive(Default)]
pub(crate) struct Table {
    entries: HashMap<Bytes, Entry>,
    /// The keys that end, by when they do.
    ends: BTreeSet<(Instant, Bytes)>,
    used: usize,
}

struct Entry {
    value: Bytes,
    end: Option<Instant>,
}

/// The store would grow over its capacity.
pub(crate) struct Full;

impl Table {
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Bytes> {
        self.entry(key).map(|entry| Arc::clone(&entry.value))
    }

    pub(crate) fn contains(&mut self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    /// When a key ends, if it exists, and if it ever does.
    pub(crate) fn end(&mut self, key: &[u8]) -> Option<Option<Instant>> {
        self.entry(key).map(|entry| entry.end)
    }

    pub(crate) fn set(
        &mut self,
        key: &[u8],
        value: Bytes,
        end: Option<Instant>,
    ) -> Result<(), Full> {
        let freed = self.entry(key).map_or(0, |entry| cost(key, &entry.value));
        let used = self.used - freed + cost(key, &value);
        if used > CAPACITY {
            return Err(Full);
        }
        self.remove(key);
        let key: Bytes = key.into();
        if let Some(end) = end {
            self.ends.insert((end, Arc::clone(&key)));
        }
        self.entries.insert(key, Entry { value, end });
        self.used = used;
        Ok(())
    }

    /// Makes a key end at a time; returns whether there is such a key.
    pub(crate) fn set_end(&mut self, key: &[u8], end: Instant) -> bool {
        self.sweep();
        let Some((key, entry)) = self.entries.get_key_value(key) else { return false };
        let (key, before) = (Arc::clone(key), entry.end);
        if let Some(before) = before {
            self.ends.remove(&(before, Arc::clone(&key)));
        }
        self.ends.insert((end, Arc::clone(&key)));
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.end = Some(end);
        }
        true
    }

    /// Returns whether there was such a key.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.sweep();
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        self.used -= cost(&key, &entry.value);
        if let Some(end) = entry.end {
            self.ends.remove(&(end, key));
        }
        true
    }

    pub(crate) fn len(&mut self) -> usize {
        self.sweep();
        self.entries.len()
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn entry(&mut self, key: &[u8]) -> Option<&Entry> {
        self.sweep();
        self.entries.get(key)
    }

    /// Removes what has ended. It costs next to nothing when nothing has.
    fn sweep(&mut self) {
        let Some((first, _)) = self.ends.first() else { return };
        let now = Instant::now();
        if *first > now {
            return;
        }
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, key)) = self.ends.pop_first() else { return };
            if let Some(entry) = self.entries.remove(&key) {
                self.used -= cost(&key, &entry.value);
            }
        }
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    OVERHEAD + key.len() + value.len()
}

/// The time `after` from now, if the clock goes so far.
pub(crate) fn end_after(after: Duration) -> Option<Instant> {
    Instant::now().checked_add(after)
}
