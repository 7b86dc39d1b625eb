//! A handler that asks for a server's state, on a server that was given none.

use socketserver::transport::Transport;
use socketserver::{BaseServer, Result, StreamRequest, StreamRequestHandler, TcpServer};

struct Room {
    topic: String,
}

impl<T: Transport> BaseServer<T> for Room {}

struct Visitor;

impl StreamRequestHandler<Room> for Visitor {
    fn handle(&mut self, request: &mut StreamRequest<'_, Room>) -> Result {
        Ok(request.connection().send_all(request.server.topic.as_bytes())?)
    }
}

fn main() -> std::io::Result<()> {
    TcpServer::bind("127.0.0.1:0", || Visitor)?.serve_forever()
}
