//! A handler of packets, on a server that has none.

use socketserver::{DatagramRequest, DatagramRequestHandler, Result, ThreadingTcpServer};

struct Shout;

impl DatagramRequestHandler for Shout {
    fn handle(&mut self, request: &mut DatagramRequest<'_>) -> Result {
        request.wfile = request.packet.to_ascii_uppercase();
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    ThreadingTcpServer::bind("127.0.0.1:0", || Shout)?.serve_forever()
}
