//! The whole command, from its arguments to its exit code.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use clap::FromArgMatches;
use socketserver::SignalGuard;
use socketserver_coroutine::{Backend, Config};

use crate::args::{self, Args, LogFormat, MixIn};
use crate::bind::{Settings, bind, inherited};
use crate::endpoint::Endpoint;
use crate::exit::{COMPLETE, CUT, Fatal};
use crate::handler::Service;
use crate::log::Log;
use crate::manual;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::serve::{self, Signals};

/// Runs the command; returns its exit code.
pub(crate) fn run() -> u8 {
    let mut log = Log { format: LogFormat::Human, verbose: false };
    let result = parse().and_then(|args| match args {
        Parsed::Printed => Ok(COMPLETE),
        Parsed::Serve(args) => {
            log = Log { format: args.log, verbose: args.verbose };
            serve(&args, log)
        }
    });
    result.unwrap_or_else(|fatal| {
        log.fatal(&fatal);
        fatal.code
    })
}

enum Parsed {
    /// What was asked for has been printed.
    Printed,
    Serve(Box<Args>),
}

fn parse() -> Result<Parsed, Fatal> {
    let parsed =
        manual::command().try_get_matches().and_then(|matches| Args::from_arg_matches(&matches));
    let args = match parsed {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return Err(Fatal::usage(flatten(&error))),
        // --help and --version
        Err(error) => {
            let _ = error.print();
            return Ok(Parsed::Printed);
        }
    };
    let text = match (args.man, args.completions) {
        (true, _) => manual::page(),
        (false, Some(shell)) => manual::completions(shell),
        (false, None) => return Ok(Parsed::Serve(Box::new(args))),
    };
    // Whoever reads it may have had enough.
    let _ = io::stdout().lock().write_all(&text);
    Ok(Parsed::Printed)
}

/// What clap says over several lines, in one.
fn flatten(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = first.strip_prefix("error: ").unwrap_or(&first);
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tip.map(|tip| format!("; {tip}")).unwrap_or_default();
    format!("{first}{tip} (--help tells more)")
}

fn serve(args: &Args, log: Log) -> Result<u8, Fatal> {
    if args.endpoints.is_empty() {
        let text = "no ENDPOINT to serve on; try: socketserver tcp://127.0.0.1:9999 --echo";
        return Err(Fatal::usage(text));
    }
    let endpoints = args
        .endpoints
        .iter()
        .map(|text| text.parse::<Endpoint>().map_err(Fatal::usage))
        .collect::<Result<Vec<_>, _>>()?;
    let settings = settings(args, log)?;
    let ready = args.ready_fd.map(take_ready).transpose()?;
    let signals = Signals::watch().map_err(|error| Fatal::of("watching for signals", &error))?;
    let servers = endpoints
        .iter()
        .map(|endpoint| bind(endpoint, &settings))
        .collect::<Result<Vec<_>, _>>()?;
    let _guards = servers
        .iter()
        .map(|server| server.on_signals())
        .collect::<io::Result<Vec<SignalGuard>>>()
        .map_err(|error| Fatal::of("watching for signals", &error))?;

    for server in &servers {
        log.listening(server.state().name());
    }
    if let Some(ready) = ready {
        tell_ready(ready);
    }
    let served = match args.mixin {
        MixIn::Forking => serve::on_this_thread(&servers, &signals),
        MixIn::Synchronous | MixIn::Threading | MixIn::Coroutine => {
            serve::on_threads(&servers, &signals)
        }
    };
    if let Err(fatal) = &served {
        log.fatal(fatal);
    }
    let open = servers.iter().map(|server| server.open()).sum();
    log.draining(open, args.drain);
    let report = serve::drain(&servers, open, args.drain);
    log.drained(&report);
    Ok(match served {
        Err(fatal) => fatal.code,
        Ok(()) if report.is_complete() => COMPLETE,
        Ok(()) => CUT,
    })
}

fn settings(args: &Args, log: Log) -> Result<Settings, Fatal> {
    let protocol = if args.echo { Some(Protocol::Echo) } else { args.protocol };
    if args.mixin == MixIn::Synchronous && args.max.is_some() {
        let text = "--max means nothing for --mixin synchronous, which serves one at a time";
        return Err(Fatal::usage(text));
    }
    let coroutines = coroutines(args)?;
    let service = match (protocol, args.program.split_first()) {
        (Some(protocol), _) => Service::Protocol { protocol, timeout: args.timeout },
        (None, Some(_)) if args.timeout.is_some() => {
            let text = "--timeout means nothing for a program, which looks after its own time";
            return Err(Fatal::usage(text));
        }
        (None, Some((name, args))) => Service::Program(Program::find(name, args)?),
        (None, None) => {
            let text = "nothing to serve; give --echo, --protocol NAME or -- PROGRAM";
            return Err(Fatal::usage(text));
        }
    };
    Ok(Settings {
        mixin: args.mixin,
        max: args.max,
        coroutines,
        workers: args.workers,
        backlog: args.backlog,
        service: Arc::new(service),
        log,
    })
}

/// What coroutines are to run on, which is tried once, so that what cannot be had is told now.
fn coroutines(args: &Args) -> Result<Config, Fatal> {
    let mut config = Config::default();
    if args.mixin != MixIn::Coroutine {
        let given = [
            (args.workers.is_some(), "--workers"),
            (args.stack_size.is_some(), "--stack-size"),
            (args.backend.is_some(), "--backend"),
        ];
        return match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, name)) => {
                Err(Fatal::usage(format!("{name} means nothing without --mixin coroutine")))
            }
            None => Ok(config),
        };
    }
    config.stack_size = args.stack_size.unwrap_or(config.stack_size);
    config.backend = match args.backend {
        Some(args::Backend::Epoll) => Backend::Epoll,
        Some(args::Backend::IoUring) => Backend::IoUring,
        Some(args::Backend::Auto) | None => Backend::Auto,
    };
    config.check().map_err(|error| Fatal::usage(format!("--mixin coroutine: {error}")))?;
    let tried = socketserver_coroutine::run(&config, || ());
    tried.map_err(|error| match config.backend {
        Backend::Auto => Fatal::of("--mixin coroutine", &error),
        backend => Fatal::of(format_args!("--backend {backend}"), &error),
    })?;
    Ok(config)
}

fn take_ready(number: RawFd) -> Result<OwnedFd, Fatal> {
    inherited(number).map_err(|error| Fatal::of(format_args!("--ready-fd {number}"), &error))
}

/// Tells whoever waits for it that all is being served.
fn tell_ready(fd: OwnedFd) {
    // Whoever wanted to know may have gone; that is no reason not to serve.
    let _ = File::from(fd).write_all(b"\n");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Args, flatten};

    fn error(args: &[&str]) -> String {
        let args = ["socketserver"].iter().chain(args);
        flatten(&Args::command().try_get_matches_from(args).unwrap_err())
    }

    #[test]
    fn what_is_wrong_with_the_arguments_is_one_line_that_names_it() {
        for (args, part) in [
            (&["--echoo", "tcp://a:1"][..], "'--echoo'"),
            (&["tcp://a:1", "--protocol", "gopher"][..], "'gopher'"),
            (&["tcp://a:1", "--echo", "--drain", "soon"][..], "'soon'"),
            (&["tcp://a:1", "--echo", "--max", "0"][..], "'0'"),
            (&["tcp://a:1", "--echo", "--ready-fd", "1"][..], "--ready-fd"),
            (&["tcp://a:1", "--echo", "--protocol", "time"][..], "cannot be used with"),
            (&["tcp://a:1", "--echo", "--", "cat"][..], "cannot be used with"),
        ] {
            let text = error(args);
            assert!(text.contains(part) && !text.contains('\n'), "{args:?}: {text}");
        }
    }
}
