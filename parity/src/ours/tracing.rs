//! Trace lines on standard output, one write each, so that threads and children never mix them;
//! `python/tracing.py` says what they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::process;
use std::sync::OnceLock;

use socketserver_coroutine::current;

/// What a thread is about, or one of its coroutines.
#[derive(Clone, Copy, Debug)]
struct Here {
    place: &'static str,
    request: Option<u32>,
}

const NOWHERE: Here = Here { place: "worker", request: None };

thread_local! {
    /// By the coroutine's name among those of this thread; the thread's own has none.
    static HERE: RefCell<BTreeMap<Option<u64>, Here>> = const { RefCell::new(BTreeMap::new()) };
}

fn here() -> Here {
    HERE.with_borrow(|here| here.get(&current()).copied().unwrap_or(NOWHERE))
}

fn change(change: impl FnOnce(&mut Here)) {
    HERE.with_borrow_mut(|here| change(here.entry(current()).or_insert(NOWHERE)));
}

/// The process that is no forked child, and where it writes.
static MAIN: OnceLock<(u32, File)> = OnceLock::new();

/// Takes over standard output.
pub(super) fn start() -> io::Result<()> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let _ = MAIN.set((process::id(), output));
    Ok(())
}

/// Names the calling thread; one without a name is a `worker`.
pub(super) fn this_thread_is(place: &'static str) {
    change(|here| here.place = place);
}

/// Says which request the calling thread, or coroutine, is about, for the hooks that are not told.
pub(super) fn this_is_request(number: u32) {
    change(|here| here.request = Some(number));
}

/// Says that the caller takes requests off the socket: the loop, or a coroutine that does its work.
pub(super) fn this_takes_requests() {
    change(|here| here.place = "loop");
}

/// Writes a line about no request.
pub(super) fn trace(event: impl Display) {
    write(None, &event);
}

/// Writes a line about a request.
pub(super) fn trace_of(number: u32, event: impl Display) {
    write(Some(number), &event);
}

/// Writes a line about the request of the caller.
pub(super) fn trace_this(event: impl Display) {
    write(here().request, &event);
}

fn write(request: Option<u32>, event: &dyn Display) {
    let Some((main, output)) = MAIN.get() else {
        return;
    };
    let place = if process::id() == *main { here().place } else { "child" };
    let line = match request {
        Some(number) => format!("{place} {number} {event}\n"),
        None => format!("{place} - {event}\n"),
    };
    let mut output = output;
    // The driver has gone, and then there is nobody to tell.
    let _ = output.write_all(line.as_bytes());
}

/// What sort of error this is, in words that both sides of the comparison have.
pub(super) fn kind(error: Option<&(dyn Error + 'static)>) -> String {
    let mut cause = error;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return io_kind(error);
        }
        cause = error.source();
    }
    "fault".to_owned()
}

fn io_kind(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "disconnected"
        }
        ErrorKind::ConnectionRefused => "ECONNREFUSED",
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::NotConnected => "ENOTCONN",
        ErrorKind::AddrInUse => "EADDRINUSE",
        _ => match error.raw_os_error() {
            Some(9) => "EBADF",
            Some(90) => "EMSGSIZE",
            Some(errno) => return format!("errno {errno}"),
            None => "fault",
        },
    }
    .to_owned()
}
