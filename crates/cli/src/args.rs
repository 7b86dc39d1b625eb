//! The command line: what `--help`, the manual page and the completions are made of.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Parser, ValueEnum};
use jiff::SignedDuration;

use crate::protocol::Protocol;

/// Serves a built-in protocol, or any program per connection, on TCP, UDP and Unix sockets.
///
/// It listens on each ENDPOINT, and gives each client to a built-in protocol, or to a PROGRAM of
/// its own whose standard input and output are the connection. It serves until SIGTERM or SIGINT
/// tells it to stop, and then lets the connections that are open come to their ends.
#[derive(Debug, Parser)]
#[command(
    name = "socketserver",
    version,
    max_term_width = 100,
    override_usage = "socketserver [OPTIONS] ENDPOINT... --echo\n       \
                      socketserver [OPTIONS] ENDPOINT... --protocol NAME\n       \
                      socketserver [OPTIONS] ENDPOINT... -- PROGRAM [ARG]..."
)]
#[command(group = ArgGroup::new("service").args(["echo", "protocol", "program"]))]
pub(crate) struct Args {
    /// Where to serve: tcp://HOST:PORT, udp://HOST:PORT, unix:PATH, unixgram:PATH, fd:NUMBER
    ///
    /// See ENDPOINTS below for all of them and their options. Several may be given; all are served
    /// alike.
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoints: Vec<String>,

    /// The same as --protocol echo
    #[arg(long)]
    pub(crate) echo: bool,

    /// Serve a built-in protocol
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) protocol: Option<Protocol>,

    /// Run this program for each connection, with the arguments that follow it
    ///
    /// The connection is its standard input and output; of a datagram endpoint, the datagram is
    /// its standard input, and what it writes to its standard output is the reply. See PROGRAMS
    /// below.
    #[arg(value_name = "PROGRAM", last = true, num_args = 1..)]
    pub(crate) program: Vec<OsString>,

    /// Who runs a connection: the serving thread itself, a thread, a process, or a coroutine
    ///
    /// See MIX-INS below for how they differ.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = MixIn::Threading)]
    pub(crate) mixin: MixIn,

    /// How many connections of one endpoint may be open at a time
    ///
    /// While there are so many, further clients wait in the kernel's queue. By default 1024 with
    /// threads, 40 with processes, and 100000 with coroutines, of which 1024 if each has a program.
    #[arg(long, value_name = "NUMBER", value_parser = parse_max)]
    pub(crate) max: Option<usize>,

    /// How many threads share the coroutines of one endpoint
    ///
    /// By default as many as there are processors for this command. With --mixin coroutine.
    #[arg(long, value_name = "NUMBER", value_parser = parse_max)]
    pub(crate) workers: Option<usize>,

    /// How much of the address space the stack of a coroutine takes, in bytes; 64K, 1M
    ///
    /// 256K by default, of which only what is used takes memory; at the least 16K. With --mixin
    /// coroutine.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) stack_size: Option<usize>,

    /// How the threads of coroutines wait for the kernel
    ///
    /// With --mixin coroutine.
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) backend: Option<Backend>,

    /// How long a built-in protocol waits for a client to send or to take something
    ///
    /// The connection is closed after that. Without it, a client may take as long as it likes. A
    /// program looks after its own time.
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Duration>,

    /// How many connections may wait in the kernel's queue
    ///
    /// 4096 by default, and never more than the system's net.core.somaxconn. The option backlog of
    /// an endpoint goes before it.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) backlog: Option<i32>,

    /// How long connections may go on after SIGTERM or SIGINT, before they are cut
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    pub(crate) drain: Duration,

    /// Write a newline to this descriptor, and close it, when all endpoints are being served
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(RawFd).range(3..))]
    pub(crate) ready_fd: Option<RawFd>,

    /// How to write to standard error what happens
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub(crate) log: LogFormat,

    /// Log the beginning and the end of each connection
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Print the manual page: socketserver --man | man -l -
    #[arg(long, action = ArgAction::SetTrue, exclusive = true)]
    pub(crate) man: bool,

    /// Print completions for a shell
    #[arg(long, value_name = "SHELL", value_enum, exclusive = true)]
    pub(crate) completions: Option<Shell>,
}

/// Who runs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MixIn {
    /// One connection of each endpoint at a time
    Synchronous,
    /// A thread for each connection
    Threading,
    /// A process for each connection
    Forking,
    /// A coroutine for each connection, on a few threads
    Coroutine,
}

/// How a thread waits that has coroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// The best that the kernel offers, which is the default
    Auto,
    /// By epoll(7)
    Epoll,
    /// By io_uring(7), or not at all
    #[value(name = "io_uring")]
    IoUring,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A sentence for people
    Human,
    /// One JSON object a line
    Json,
    /// Nothing, but what keeps the command from serving
    None,
}

/// Whose completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

fn parse_max(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("with none at all, nobody would be served".to_owned()),
        Ok(max) => Ok(max),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let unit = |unit| text.strip_suffix(unit);
    let (number, unit) = match (unit('K'), unit('M')) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let number: Option<usize> = number.parse().ok();
    let size = number.and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| "not a size; write 65536, 64K or 1M".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok();
    duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "not a duration; write 30s, 500ms or 1m30s".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("no client is so quick".to_owned()),
        timeout => Ok(timeout),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::{Args, parse_duration, parse_max, parse_size, parse_timeout};

    #[test]
    fn the_definitions_agree_with_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "30", "-1s", "1s ago", "soon", "99999999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert!(parse_timeout("0s").is_err());
        assert!(parse_max("0").is_err());
    }

    #[test]
    fn sizes_may_have_units() {
        assert_eq!(parse_size("65536"), Ok(65536));
        assert_eq!(parse_size("64K"), Ok(65536));
        assert_eq!(parse_size("1M"), Ok(1024 * 1024));
        for wrong in ["", "K", "-1", "64k", "1.5M", "1G", "99999999999999999999M"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert!(parse_size(&format!("{}M", usize::MAX)).is_err());
    }
}
