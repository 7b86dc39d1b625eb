//! tokio: a task for each connection.

use std::io;
use std::num::NonZeroUsize;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::serve::{announce, no_delay};

/// All tasks on this thread, or on so many others.
pub(super) fn runtime(workers: Option<NonZeroUsize>) -> io::Result<Runtime> {
    match workers {
        None => Builder::new_current_thread().enable_all().build(),
        Some(workers) => {
            Builder::new_multi_thread().worker_threads(workers.get()).enable_all().build()
        }
    }
}

pub(in crate::serve) fn tcp(workers: Option<NonZeroUsize>) -> Result<()> {
    // Spawned, for the task of `block_on` would be a thread beside the workers.
    runtime(workers)?.block_on(async { tokio::spawn(accept()).await })??;
    Ok(())
}

async fn accept() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    if no_delay() {
        stream.set_nodelay(true)?;
    }
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        writer.write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

pub(in crate::serve) fn udp() -> Result<()> {
    runtime(None)?.block_on(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        announce(socket.local_addr()?.port())?;
        let mut buffer = [0; 8192];
        loop {
            let (count, peer) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..count], peer).await?;
        }
    })
}
