//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Result;
use crate::load::Load;

pub(crate) const HELP: &str = "\
What a request costs a server: CPU time, ours beside the peers.

    bench [OPTIONS]                  everything, then a report in Markdown
    bench clients [OPTIONS]          redis-benchmark and wrk, on our examples and on their peers
    bench serve NAME [OPTIONS]       one server, until it is killed; prints its port
    bench load LOAD ADDRESS [OPTIONS]   one load, on any server that sends back what it gets:
                                     echo, line, udp-single, udp-batch, udp-train
    bench shutdown NAME ROUNDS       how long shutdown() of an idle server takes, in nanoseconds
    bench parked COUNT SECONDS       so many coroutines, asleep for so long
    bench servers                    every server, and whether it can run here

    --short             fewer requests, 2 repetitions: everything in some five minutes
    --repeat N          repetitions [5]
    --only A,B          only these loads: echo, pipelined, line, fork, workers, udp, idle,
                        shutdown, parked, or one such as echo-64;
                        `clients`: redis, http
    --servers A,B       only these servers
    --write FOLDER      the report into FOLDER/RESULTS.md, plots into FOLDER/plots
    --check             end with status 1 when a target is missed
    --python PROGRAM    the interpreter of the peers in Python [python3]

    --clients N         `load`: connections, or clients at once [1]
    --depth N           `load echo`: lines in one write [1]
    --requests N        `load`: requests [10000]
    --for-seconds N     `serve`: end after so many seconds, or with the parent
";

/// Everything that the command line can say.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) short: bool,
    pub(crate) repeat: Option<usize>,
    pub(crate) only: Vec<String>,
    pub(crate) servers: Vec<String>,
    pub(crate) write: Option<PathBuf>,
    pub(crate) check: bool,
    pub(crate) python: String,
    pub(crate) clients: usize,
    pub(crate) depth: usize,
    pub(crate) requests: usize,
    pub(crate) for_seconds: Option<u32>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Run,
    Help,
    Serve {
        server: String,
    },
    /// What the benchmark's own clients are told by their parent.
    Drive {
        load: Load,
        address: SocketAddr,
    },
    Load {
        load: Load,
        address: SocketAddr,
    },
    Clients,
    Servers,
    /// As `Serve`, until a line comes on standard input.
    Told {
        server: String,
    },
    Shutdown {
        server: String,
        rounds: usize,
    },
    Parked {
        count: usize,
        seconds: u64,
    },
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            command: Command::Run,
            short: false,
            repeat: None,
            only: Vec::new(),
            servers: Vec::new(),
            write: None,
            check: false,
            python: "python3".to_owned(),
            clients: 1,
            depth: 1,
            requests: 10_000,
            for_seconds: None,
        };
        let mut words = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.short = true,
                "--repeat" => options.repeat = Some(number(&value()?)?),
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--servers" => options.servers.extend(value()?.split(',').map(str::to_owned)),
                "--write" => options.write = Some(value()?.into()),
                "--check" => options.check = true,
                "--python" => options.python = value()?,
                "--clients" => options.clients = number(&value()?)?,
                "--depth" => options.depth = number(&value()?)?,
                "--requests" => options.requests = number(&value()?)?,
                "--for-seconds" => options.for_seconds = Some(number(&value()?)?),
                "--help" | "-h" => words = vec!["help".to_owned()],
                flag if flag.starts_with('-') => return Err(format!("no option {flag:?}").into()),
                _ => words.push(argument),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        options.command = match words[..] {
            [] => Command::Run,
            ["help"] => Command::Help,
            ["serve", server] => Command::Serve { server: server.to_owned() },
            ["load", load, address] => {
                Command::Load { load: options.load(load)?, address: number(address)? }
            }
            ["drive", load, address] => {
                Command::Drive { load: options.load(load)?, address: number(address)? }
            }
            ["clients"] => Command::Clients,
            ["servers"] => Command::Servers,
            ["told", server] => Command::Told { server: server.to_owned() },
            ["parked", count, seconds] => {
                Command::Parked { count: number(count)?, seconds: number(seconds)? }
            }
            ["shutdown", server, rounds] => {
                Command::Shutdown { server: server.to_owned(), rounds: number(rounds)? }
            }
            _ => return Err(format!("{words:?} is no command").into()),
        };
        if options.clients == 0
            || options.depth == 0
            || options.requests == 0
            || options.repeat == Some(0)
        {
            return Err("a count of 0 measures nothing".into());
        }
        Ok(options)
    }

    fn load(&self, name: &str) -> Result<Load> {
        let load = Load::named(name, self.clients, self.depth);
        Ok(load.ok_or_else(|| format!("no load is named {name:?}"))?)
    }
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| format!("{text:?} is not what was expected here").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_stand_anywhere() {
        let options = parse("--short --only echo,line-8 --repeat 2 --only fork").unwrap();
        assert_eq!(options.command, Command::Run);
        assert_eq!((options.short, options.repeat), (true, Some(2)));
        assert_eq!(options.only, ["echo", "line-8", "fork"]);

        let options = parse("load --clients 8 line 127.0.0.1:9 --requests 5").unwrap();
        let load = Load::Line { clients: 8 };
        assert_eq!(options.command, Command::Load { load, address: ([127, 0, 0, 1], 9).into() });
        assert_eq!(options.requests, 5);
    }

    #[test]
    fn a_load_is_written_as_it_is_read() {
        for text in ["echo --clients 7 --depth 3", "line --clients 2", "udp-train"] {
            let Command::Load { load, .. } =
                parse(&format!("load {text} 127.0.0.1:9")).unwrap().command
            else {
                panic!("{text}");
            };
            assert_eq!(load.to_string(), text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--fast",
            "--repeat",
            "--repeat x",
            "--repeat 0",
            "--depth 0",
            "serve",
            "load line nowhere",
            "load all 127.0.0.1:9",
            "walk",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
