//! A setting that comes too late: the server is bound, and could not follow it.

use socketserver::{Result, StreamRequest, StreamRequestHandler, ThreadingTcpServer};

struct Ignore;

impl StreamRequestHandler for Ignore {
    fn handle(&mut self, _: &mut StreamRequest<'_>) -> Result {
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let server = ThreadingTcpServer::bind("127.0.0.1:0", || Ignore)?;
    server.max_threads(4).serve_forever()
}
