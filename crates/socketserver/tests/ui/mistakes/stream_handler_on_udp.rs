//! A handler of connections, on a server that has none.

use socketserver::{Result, StreamRequest, StreamRequestHandler, UdpServer};

struct Greeter;

impl StreamRequestHandler for Greeter {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        Ok(request.connection().send_all(b"hello")?)
    }
}

fn main() -> std::io::Result<()> {
    UdpServer::bind("127.0.0.1:0", || Greeter)?.serve_forever()
}
