//! UDP upper-case: the reply is what `handle` leaves in `wfile`.
//!
//! A packet is a request. It is answered with one packet, or with none if `wfile` stays empty.
//!
//! ```text
//! cargo run --example udp_upper [127.0.0.1:9999]
//! echo hello | nc -u -w1 127.0.0.1 9999
//! ```

use std::{env, io};

use socketserver::{DatagramRequest, DatagramRequestHandler, Result, UdpServer};

struct Upper;

impl DatagramRequestHandler for Upper {
    fn handle(&mut self, request: &mut DatagramRequest<'_>) -> Result {
        request.wfile = request.packet.to_ascii_uppercase();
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let server = UdpServer::bind(address, || Upper)?;
    let _signals = server.shutdown_handle().on_signals()?; // Ctrl-C and SIGTERM stop it
    println!("listening on {}", server.server_address());
    server.serve_forever()
}
