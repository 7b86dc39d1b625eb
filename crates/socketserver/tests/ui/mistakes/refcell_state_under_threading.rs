//! A server's state that only one thread may use, on a server of many.

use std::cell::RefCell;

use socketserver::transport::Transport;
use socketserver::{BaseServer, Result, StreamRequest, StreamRequestHandler, ThreadingTcpServer};

struct Hits(RefCell<u32>);

impl<T: Transport> BaseServer<T> for Hits {}

struct Counter;

impl StreamRequestHandler<Hits> for Counter {
    fn handle(&mut self, request: &mut StreamRequest<'_, Hits>) -> Result {
        *request.server.0.borrow_mut() += 1;
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let builder = ThreadingTcpServer::builder(|| Counter).server(Hits(RefCell::new(0)));
    builder.bind("127.0.0.1:0")?.serve_forever()
}
