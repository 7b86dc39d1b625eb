//! One word decides who runs a request: the serving thread, a thread, a process or a coroutine each.
//!
//! The handler tells where it runs. Without a second argument the server is the alias in `main`,
//! and another word there makes another server. With one, the mix-in is chosen by that name while
//! the program runs: `synchronous`, `threading`, `forking` or `coroutine`.
//!
//! ```text
//! cargo run --example one_word [127.0.0.1:9999 [coroutine]]
//! nc 127.0.0.1 9999
//! ```

use std::io::Write;
use std::time::Duration;
use std::{env, error, process, thread};

use socketserver::mixin::{AnyMixIn, MixIn};
use socketserver::transport::Tcp;
use socketserver::{
    Pending, Result, Server, StreamRequest, StreamRequestHandler, TcpServer, ThreadingTcpServer,
    in_coroutine,
};

struct WhoAmI;

impl StreamRequestHandler for WhoAmI {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let coroutine = if in_coroutine() { ", a coroutine" } else { "" };
        writeln!(request.wfile, "process {}, thread {thread}{coroutine}", process::id())?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9999".into());
    match arguments.next() {
        // The word: `TcpServer`, `ThreadingTcpServer`, `ForkingTcpServer`, `CoroutineTcpServer`.
        None => serve(&ThreadingTcpServer::bind(address, || WhoAmI)?),
        Some(name) => {
            let mixin: AnyMixIn = name.parse()?;
            serve(&TcpServer::builder(|| WhoAmI).mixin(mixin).bind(address)?)
        }
    }
}

fn serve<M>(server: &Server<Tcp, M, WhoAmI>) -> Result<(), Box<dyn error::Error>>
where
    M: MixIn<Pending<Tcp, ()>>,
{
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
