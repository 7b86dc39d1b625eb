//! Starting an example and a real client, and what holds for every example that is stopped.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process_group};
use testkit::{Client, Connect, Process, eventually, within_deadline};

const SIGTERM: i32 = 15;

/// A running example, in a process group of its own.
pub(crate) struct Example {
    process: Process,
    /// Where it listens, as it has said first.
    address: String,
}

impl Example {
    /// Starts an example on loopback, on a port of the kernel's choice.
    pub(crate) fn on_port_0(name: &str) -> Self {
        Self::start(name, &["127.0.0.1:0"])
    }

    /// Starts an example, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut process = Process::start(&mut command(name, arguments)).unwrap();
        let address = process.line_after("listening on ");
        Self { process, address: address.trim_end_matches(" by TCP").to_owned() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.parse().unwrap()
    }

    /// Where it listens by UDP, for one that says so on its second line.
    pub(crate) fn udp_address(&mut self) -> SocketAddr {
        eventually("the second line", || self.process.output().contains(" by UDP\n"));
        let output = self.process.output();
        let line = output.lines().find_map(|line| line.strip_suffix(" by UDP")).unwrap();
        line.trim_start_matches("listening on ").parse().unwrap()
    }

    /// A client of it, for which nothing takes longer than the deadline.
    pub(crate) fn connect(&self) -> Client {
        Connect::Tcp(self.address()).connect().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has written this.
    #[track_caller]
    pub(crate) fn eventually_writes(&mut self, text: &str) {
        eventually(text, || self.process.output().contains(text));
    }

    pub(crate) fn terminate(&self) {
        self.process.signal(SIGTERM);
    }

    /// Stops it, and returns what it has written; see [`wait`](Self::wait).
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.terminate();
        self.wait()
    }

    /// Waits for its end, and returns what it has written. It must have ended well, and alone:
    /// none of its children may be left.
    #[track_caller]
    pub(crate) fn wait(self) -> String {
        let group = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        let (status, output) = self.process.wait();
        assert!(status.success(), "{status}: {output}");
        assert!(!output.contains("panicked"), "{output}");
        assert_eq!(test_kill_process_group(group), Err(Errno::SRCH), "a child is left: {output}");
        output
    }
}

/// The words that programs with state of their own understand.
pub(crate) const MIXINS: [&str; 2] = ["coroutine", "threading"];

/// Starts an example once with each of these words, on loopback, on a port of the kernel's choice.
pub(crate) fn on_each_mixin(name: &str) -> impl Iterator<Item = Example> {
    MIXINS.into_iter().map(move |mixin| Example::start(name, &["127.0.0.1:0", mixin]))
}

/// Stops it, which must have found nothing wrong with any request.
#[track_caller]
pub(crate) fn stop_without_errors(example: Example) -> String {
    let output = example.stop();
    assert!(!output.contains("Exception occurred"), "{output}");
    output
}

/// How to start an example: cargo puts the examples beside the folder of the tests.
pub(crate) fn command(name: &str, arguments: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.parent().unwrap().with_file_name("examples");
    let binary = folder.join(name);
    assert!(
        binary.exists(),
        "{} is not there; `cargo test` builds it, and so does `cargo build --examples`",
        binary.display()
    );
    let mut command = Command::new(binary);
    command.args(arguments).process_group(0);
    command
}

/// Runs a real client, and returns what it writes to standard output. If it is not installed,
/// says so where people see it, and returns `None`.
#[track_caller]
pub(crate) fn client(name: &'static str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null());
    match run(command) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not `eprintln`, which is only shown of tests that fail.
            let _ = writeln!(io::stderr(), "skipped: {name} is not installed");
            None
        }
        Err(error) => panic!("cannot run {name}: {error}"),
        Ok(output) => {
            let [stdout, stderr] = [output.stdout, output.stderr]
                .map(|text| String::from_utf8_lossy(&text).into_owned());
            assert!(output.status.success(), "{name} {arguments:?}: {stdout}{stderr}");
            Some(stdout)
        }
    }
}

fn run(mut command: Command) -> io::Result<Output> {
    within_deadline(move || command.output())
}
