//! A TCP proxy: whoever connects here talks to another server, both ways at the same time.
//!
//! The handler carries what the client sends, and a coroutine beside it what the server answers;
//! each is a loop that reads and writes. Write `ThreadingTcpServer` for `CoroutineTcpServer`, and
//! the two directions have a thread each: nothing else changes.
//!
//! ```text
//! cargo run --example tcp_echo 127.0.0.1:9999
//! cargo run --example tcp_proxy [127.0.0.1:9998 [127.0.0.1:9999]]
//! echo hello | nc -N 127.0.0.1 9998
//! ```

use std::env;
use std::io;
use std::net::Shutdown;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use socketserver::net::TcpStream;
use socketserver::{CoroutineTcpServer, Result, StreamRequest, StreamRequestHandler, spawn};

/// How long the other server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// One connection here, and the one there that it is joined to.
struct Proxy {
    upstream: Arc<str>,
}

impl StreamRequestHandler for Proxy {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let mut server = TcpStream::connect_timeout(&*self.upstream, CONNECT)?;
        let (client, mut answers) = (Arc::clone(request.connection()), server.try_clone()?);
        let back = spawn(move || {
            let copied = io::copy(&mut answers, &mut &*client);
            // An end is passed on as one; after anything else neither side can go on.
            let how = if copied.is_ok() { Shutdown::Write } else { Shutdown::Both };
            let _ = client.shutdown(how); // an error says that it has ended already
            copied
        });
        let copied = io::copy(&mut request.rfile, &mut server);
        let how = if copied.is_ok() { Shutdown::Write } else { Shutdown::Both };
        let _ = server.shutdown(how);
        copied?;
        back.join().unwrap_or_else(|payload| resume_unwind(payload))?;
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9998".into());
    let upstream: Arc<str> = arguments.next().unwrap_or_else(|| "127.0.0.1:9999".into()).into();
    let proxy = move || Proxy { upstream: Arc::clone(&upstream) };
    let server = CoroutineTcpServer::bind(address, proxy)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
