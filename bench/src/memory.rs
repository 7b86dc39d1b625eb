//! What a process holds of memory, by what the kernel tells of it.

use std::fs;
use std::io;
use std::ops::Add;

use nix::unistd::Pid;

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All pages that are there, shared files included.
    pub(crate) resident: u64,
    /// What only this process pays for in user space: anonymous pages and page tables.
    pub(crate) user: u64,
}

impl Memory {
    /// Of this process, as it is now; its children are not in it.
    pub(crate) fn of(pid: Pid) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        Self::parse(&status, &rollup)
            .ok_or_else(|| io::Error::other("the kernel does not tell the memory of a process"))
    }

    fn parse(status: &str, rollup: &str) -> Option<Self> {
        let anonymous = kilobytes(rollup, "Anonymous:")?;
        let page_tables = kilobytes(status, "VmPTE:")?;
        let resident = kilobytes(rollup, "Rss:")?;
        Some(Self { resident: resident * 1024, user: (anonymous + page_tables) * 1024 })
    }
}

impl Add for Memory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { resident: self.resident + other.resident, user: self.user + other.user }
    }
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_touched_are_counted() {
        let before = Memory::of(Pid::this()).unwrap();
        let pages = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = Memory::of(Pid::this()).unwrap();
        for grown in [after.user - before.user, after.resident - before.resident] {
            assert!((64 << 20..80 << 20).contains(&grown), "{grown}");
        }
        drop(pages);
    }

    #[test]
    fn page_tables_count_and_files_do_not() {
        let status = "VmPeak:\t 9000 kB\nVmPTE:\t      20 kB\n";
        let rollup = "Rss:                1000 kB\nPss:  900 kB\nAnonymous:           400 kB\n";
        let memory = Memory::parse(status, rollup).unwrap();
        assert_eq!(memory, Memory { resident: 1_024_000, user: 430_080 });
        assert_eq!(Memory::parse("", rollup), None);
    }
}
