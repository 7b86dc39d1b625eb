//! What a good programmer writes with the standard library alone.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::announce;
use crate::Result;

/// One connection after another.
pub(super) fn std_loop() -> Result<()> {
    let listener = listen()?;
    for stream in listener.incoming() {
        report(echo(&stream?));
    }
    Ok(())
}

/// A new thread for each connection.
pub(super) fn std_thread() -> Result<()> {
    let listener = listen()?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::Builder::new().spawn(move || report(echo(&stream)))?;
    }
    Ok(())
}

/// A child for each connection, and nothing else: no signal, no limit, no log.
pub(super) fn fork_loop() -> Result<()> {
    let listener = listen()?;
    for stream in listener.incoming() {
        let stream = stream?;
        fork_bare(|| report(echo(&stream)))?;
        drop(stream);
        while !matches!(
            waitpid(None, Some(WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::StillAlive) | Err(_)
        ) {}
    }
    Ok(())
}

/// `fork(2)` as it is; the crate's own `fork` does more, and what that costs is to be seen.
#[allow(unsafe_code, reason = "a peer that forks has to call fork")]
fn fork_bare(child: impl FnOnce()) -> io::Result<()> {
    // SAFETY: this process has one thread, so the child is a whole copy of it.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            child();
            // SAFETY: it takes any status, and does not return.
            unsafe { nix::libc::_exit(0) }
        }
    }
}

/// The work of every server here.
fn echo(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        writer.write_all(&line)?;
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?.port())?;
    Ok(listener)
}

fn report(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        // Nowhere else to tell it.
        let _ = writeln!(io::stderr(), "a connection failed: {error}");
    }
}
