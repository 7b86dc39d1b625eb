//! With the standard library alone: blocking reads, and a thread for each connection or none.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use crate::Result;
use crate::serve::{announce, no_delay};

/// One connection after another.
pub(in crate::serve) fn in_turn() -> Result<()> {
    for stream in listen()?.incoming() {
        report(echo(&stream?));
    }
    Ok(())
}

/// A new thread for each connection.
pub(in crate::serve) fn threads() -> Result<()> {
    for stream in listen()?.incoming() {
        let stream = stream?;
        thread::Builder::new().spawn(move || report(echo(&stream)))?;
    }
    Ok(())
}

/// One datagram after another.
pub(in crate::serve) fn udp() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    announce(socket.local_addr()?.port())?;
    let mut buffer = [0; 8192];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], peer)?;
    }
}

fn echo(stream: &TcpStream) -> io::Result<()> {
    if no_delay() {
        stream.set_nodelay(true)?;
    }
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

/// A listener on a port of its own, which has been told.
pub(super) fn listen() -> io::Result<TcpListener> {
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
