//! A server's state that does not say that it overrides nothing.

use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer};

struct Room {
    topic: String,
}

struct Visitor;

impl StreamRequestHandler<Room> for Visitor {
    fn handle(&mut self, request: &mut StreamRequest<'_, Room>) -> Result {
        Ok(request.connection().send_all(request.server.topic.as_bytes())?)
    }
}

fn main() -> std::io::Result<()> {
    let room = Room { topic: "tea".to_owned() };
    TcpServer::builder(|| Visitor).server(room).bind("127.0.0.1:0")?.serve_forever()
}
