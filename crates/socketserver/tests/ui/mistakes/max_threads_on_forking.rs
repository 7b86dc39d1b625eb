//! A setting that means nothing to the mix-in.

use socketserver::{ForkingTcpServer, Result, StreamRequest, handler_fn};

fn ignore(_: &mut StreamRequest<'_>) -> Result {
    Ok(())
}

fn main() -> std::io::Result<()> {
    let builder = ForkingTcpServer::builder(handler_fn(ignore));
    builder.max_threads(5).bind("127.0.0.1:0")?.serve_forever()
}
