//! What the tests of the command share: the command running, and clients of it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use testkit::{Client, Connect, DEADLINE, Process, SocketPath, socket_path};

/// The command.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_socketserver"))
}

/// Runs the command to its end; returns its exit code and what it wrote to either stream.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> (i32, String) {
    let (status, output) = Process::start(command().args(args)).unwrap().wait();
    (status.code().unwrap(), output)
}

/// The command while it serves; killed when this is dropped.
pub(crate) struct Serving {
    process: Process,
}

impl Serving {
    /// Starts it, and waits until it listens on `endpoints` endpoints.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, endpoints: usize) -> Self {
        let process = Process::start(command).unwrap();
        let mut serving = Self { process };
        serving.until("it listens", |output| output.matches("listening").count() == endpoints);
        serving
    }

    /// Starts it with arguments that are separated by spaces, the first of which is its only
    /// endpoint.
    #[track_caller]
    pub(crate) fn with(args: &str) -> Self {
        Self::start(command().args(args.split(' ')), 1)
    }

    /// The endpoint that it says it listens on, counted from 0.
    #[track_caller]
    pub(crate) fn endpoint(&mut self, index: usize) -> String {
        let output = self.process.output();
        let mut lines = output.lines().filter_map(|line| line.strip_prefix("listening on "));
        lines.nth(index).unwrap_or_else(|| panic!("no endpoint {index}: {output}")).to_owned()
    }

    /// The address of an endpoint of TCP or UDP.
    #[track_caller]
    pub(crate) fn address(&mut self, index: usize) -> SocketAddr {
        let endpoint = self.endpoint(index);
        let (_, address) = endpoint.split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// A client of the first endpoint.
    #[track_caller]
    pub(crate) fn client(&mut self) -> Client {
        let endpoint = self.endpoint(0);
        match endpoint.strip_prefix("unix:") {
            Some(path) => Connect::Unix(PathBuf::from(path)).connect().unwrap(),
            None => Connect::Tcp(self.address(0)).connect().unwrap(),
        }
    }

    /// Waits until what it has written satisfies `condition`, and returns that.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let output = self.process.output();
            // Whole lines only.
            let whole = output.rfind('\n').map_or("", |end| &output[..=end]);
            if condition(whole) {
                return whole.to_owned();
            }
            assert!(begun.elapsed() < DEADLINE, "not in time: {what}: {output}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    pub(crate) fn output(&mut self) -> String {
        self.process.output()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits for its end; returns how it ended and all that it has written.
    #[track_caller]
    pub(crate) fn wait(self) -> (ExitStatus, String) {
        self.process.wait()
    }

    /// Tells it to stop, and waits for its end; returns its exit code and all that it has written.
    #[track_caller]
    pub(crate) fn stop(self) -> (i32, String) {
        self.signal(SIGTERM);
        let (status, output) = self.wait();
        (status.code().unwrap_or_else(|| panic!("{status}: {output}")), output)
    }

    /// The children that it has, zombies among them.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }
}

pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGTERM: i32 = 15;

/// The children of a process, zombies among them.
pub(crate) fn children_of(id: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ids = lists
        .flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>());
    ids.collect()
}

/// Whether there is a process that is not a zombie.
pub(crate) fn is_alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// The address of an abstract name.
pub(crate) fn abstract_name(name: &str) -> UnixAddr {
    UnixAddr::from_abstract_name(name).unwrap()
}

/// A client of an abstract name, with deadlines.
pub(crate) fn abstract_stream(name: &str) -> UnixStream {
    let stream = UnixStream::connect_addr(&abstract_name(name)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A datagram client with a name of its own, with deadlines.
pub(crate) fn unix_datagram() -> (UnixDatagram, SocketPath) {
    let path = socket_path();
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    (socket, path)
}

/// Whether a program is installed; says so where the tests can be seen if it is not.
pub(crate) fn is_installed(program: &str) -> bool {
    let is_there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}
