//! A closure whose argument has no type written to it.

use std::io::Write;
use std::time::Duration;

use socketserver::{Outcome, TcpServer, handler_fn};
use testkit::Connect;

fn main() -> std::io::Result<()> {
    let _alone = testkit::alone();
    let greeting = "hello".to_owned();
    let builder = TcpServer::builder(handler_fn(move |request| {
        let address = request.client_address;
        Ok(write!(request.wfile, "{greeting}, {address}")?)
    }));
    let server = builder.timeout(Duration::from_secs(5)).bind("127.0.0.1:0")?;
    let address = server.server_address().as_inet().expect("an internet address");
    let mut client = Connect::Tcp(address).connect()?;
    assert_eq!(server.handle_request()?, Outcome::Processed);
    let reply = client.read_to_end()?;
    assert!(reply.starts_with(b"hello, 127.0.0.1:"), "{reply:?}");
    Ok(())
}
