use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// What a worker is made with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How much of the address space a stack takes, in bytes; memory is taken page by page as a
    /// stack is used. 256 KiB by default: see [`MIN_STACK_SIZE`] for the least.
    pub stack_size: usize,
    /// Which way of the kernel's. [`Backend::Auto`] by default.
    pub backend: Backend,
    /// After how long a wait a coroutine's stack is copied away, and its pages given back, until the
    /// wait ends. `None`, never, by default.
    ///
    /// It needs that nothing outside of a coroutine's stack points into it while the coroutine
    /// waits. A thread that borrows from it (`std::thread::scope` around a wait) does; it is then
    /// ended by the kernel (SIGSEGV), and the process with it.
    pub hibernate_after: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self { stack_size: 256 * 1024, backend: Backend::Auto, hibernate_after: None }
    }
}

/// The least [`stack_size`](Config::stack_size), in bytes.
pub const MIN_STACK_SIZE: usize = 16 * 1024;

impl Config {
    /// Refuses what no worker could run with.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, and which.
    pub fn check(&self) -> io::Result<()> {
        let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.stack_size < MIN_STACK_SIZE {
            return refuse(format!("a stack_size of less than {MIN_STACK_SIZE} bytes"));
        }
        if self.hibernate_after.is_some_and(|after| after < Duration::from_millis(1)) {
            return refuse("a hibernate_after of less than a millisecond".into());
        }
        Ok(())
    }
}

/// How a worker waits for the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The best that the kernel offers, asked once when a worker starts.
    #[default]
    Auto,
    /// `epoll(7)`.
    Epoll,
    /// `io_uring(7)`; an error when a worker starts where the kernel does not offer it.
    IoUring,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Epoll => "epoll",
            Self::IoUring => "io_uring",
        })
    }
}

impl FromStr for Backend {
    type Err = io::Error;

    /// Knows `auto`, `epoll` and `io_uring`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "epoll" => Ok(Self::Epoll),
            "io_uring" => Ok(Self::IoUring),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("no backend is called {name:?}; there are auto, epoll and io_uring"),
            )),
        }
    }
}
