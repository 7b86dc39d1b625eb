//! monoio: a task for each connection, all on this thread, on io_uring where there is one.

use std::io;

use monoio::io::{AsyncBufReadExt as _, AsyncWriteRentExt as _, BufReader, Splitable as _};
use monoio::net::{TcpListener, TcpStream};
use monoio::{FusionDriver, RuntimeBuilder};

use crate::Result;
use crate::serve::{announce, no_delay};

pub(in crate::serve) fn tcp() -> Result<()> {
    let mut runtime = RuntimeBuilder::<FusionDriver>::new().enable_timer().build()?;
    runtime.block_on(accept())?;
    Ok(())
}

async fn accept() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        monoio::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    if no_delay() {
        stream.set_nodelay(true)?;
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let (result, back) = writer.write_all(line).await;
        result?;
        line = back;
    }
}
