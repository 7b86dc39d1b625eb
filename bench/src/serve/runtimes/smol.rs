//! smol: a task for each connection, all on this thread.

use std::io;
use std::rc::Rc;

use smol::LocalExecutor;
use smol::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use smol::net::{TcpListener, TcpStream};

use crate::Result;
use crate::serve::{announce, no_delay};

pub(in crate::serve) fn tcp() -> Result<()> {
    let executor = Rc::new(LocalExecutor::new());
    smol::block_on(executor.run(accept(&executor)))?;
    Ok(())
}

async fn accept(executor: &LocalExecutor<'_>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = executor.spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("a connection failed: {error}");
            }
        });
        connection.detach();
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    if no_delay() {
        stream.set_nodelay(true)?;
    }
    let mut reader = BufReader::new(stream.clone());
    let mut writer = stream;
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        writer.write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
