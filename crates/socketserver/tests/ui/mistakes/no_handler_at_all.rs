//! A type that handles nothing.

use socketserver::TcpServer;

struct Forgotten;

fn main() -> std::io::Result<()> {
    TcpServer::bind("127.0.0.1:0", || Forgotten)?.serve_forever()
}
