//! TCP echo: the first server that anybody writes.
//!
//! Each line comes back as it was sent. One client is served at a time, and the next one waits in
//! the kernel's queue; write `ThreadingTcpServer` for `TcpServer`, and each has a thread.
//!
//! ```text
//! cargo run --example tcp_echo [127.0.0.1:9999]
//! echo hello | nc -N 127.0.0.1 9999
//! ```

use std::env;
use std::io::{self, Write};

use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer};

struct Echo;

impl StreamRequestHandler for Echo {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let server = TcpServer::bind(address, || Echo)?;
    let _signals = server.shutdown_handle().on_signals()?; // Ctrl-C and SIGTERM stop it
    println!("listening on {}", server.server_address());
    server.serve_forever()
}
