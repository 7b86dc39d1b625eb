//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Result;
use crate::load::Load;

pub(crate) const HELP: &str = "\
What a request costs a server: CPU time, ours beside the peers.

    bench [OPTIONS]                    everything, then a report in Markdown
    bench serve NAME [OPTIONS]         one server, until it is killed; prints its port
    bench load echo|line ADDRESS [OPTIONS]   one load, on any server that echoes lines
    bench shutdown NAME ROUNDS         how long shutdown() of an idle server takes, in nanoseconds

    --short             a tenth of the requests, 3 repetitions: to see that it works
    --repeat N          repetitions [5]
    --only A,B          only these loads: echo, line, fork, shutdown, or one such as echo-64
    --markdown FILE     the report goes to this file too
    --check             end with status 1 when a target is missed
    --python PROGRAM    the interpreter of the CPython peers [python3]

    --clients N         `load`: connections, or clients at once [1]
    --requests N        `load`: requests [10000]
    --for-seconds N     `serve`: end after so many seconds, or with the parent

Servers: std-loop std-thread fork-loop, tcp threading forking, cpython-tcp cpython-threading
cpython-forking.
";

/// Everything that the command line can say.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) short: bool,
    pub(crate) repeat: Option<usize>,
    pub(crate) only: Vec<String>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) check: bool,
    pub(crate) python: String,
    pub(crate) clients: usize,
    pub(crate) requests: usize,
    pub(crate) for_seconds: Option<u32>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Run,
    Help,
    Serve { server: String },
    Load { load: Load, address: SocketAddr },
    Shutdown { server: String, rounds: usize },
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            command: Command::Run,
            short: false,
            repeat: None,
            only: Vec::new(),
            markdown: None,
            check: false,
            python: "python3".to_owned(),
            clients: 1,
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
                "--markdown" => options.markdown = Some(value()?.into()),
                "--check" => options.check = true,
                "--python" => options.python = value()?,
                "--clients" => options.clients = number(&value()?)?,
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
            ["load", "echo", address] => {
                let load = Load::Echo { connections: options.clients };
                Command::Load { load, address: number(address)? }
            }
            ["load", "line", address] => {
                let load = Load::Line { clients: options.clients };
                Command::Load { load, address: number(address)? }
            }
            ["shutdown", server, rounds] => {
                Command::Shutdown { server: server.to_owned(), rounds: number(rounds)? }
            }
            _ => return Err(format!("{words:?} is no command").into()),
        };
        if options.clients == 0 || options.requests == 0 || options.repeat == Some(0) {
            return Err("a count of 0 measures nothing".into());
        }
        Ok(options)
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
    fn what_makes_no_sense_is_refused() {
        for line in
            ["--fast", "--repeat", "--repeat x", "--repeat 0", "serve", "load line nowhere", "walk"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
