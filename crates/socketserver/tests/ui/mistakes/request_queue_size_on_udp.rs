//! A setting that means nothing to the server.

use socketserver::{DatagramRequest, HandlerFn, Result, UdpServer};

fn ignore(_: &mut DatagramRequest<'_>) -> Result {
    Ok(())
}

fn main() -> std::io::Result<()> {
    let builder = UdpServer::builder(|| HandlerFn::new(ignore));
    builder.request_queue_size(5).bind("127.0.0.1:0")?.serve_forever()
}
