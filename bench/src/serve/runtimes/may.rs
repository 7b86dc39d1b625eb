//! may: a coroutine for each connection.

use std::io::{self, BufRead, BufReader, Write};

use may::go;
use may::net::{TcpListener, TcpStream};

use crate::Result;
use crate::serve::{announce, no_delay};

pub(in crate::serve) fn tcp(workers: usize) -> Result<()> {
    may::config().set_workers(workers);
    let accepting = go!(accept);
    accepting.join().map_err(|_| "the accepting coroutine panicked")??;
    Ok(())
}

fn accept() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept()?;
        go!(move || {
            if let Err(error) = echo(stream) {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

fn echo(stream: TcpStream) -> io::Result<()> {
    if no_delay() {
        stream.set_nodelay(true)?;
    }
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        reader.get_mut().write_all(&line)?;
    }
}
