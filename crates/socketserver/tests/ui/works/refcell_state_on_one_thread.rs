//! State that only one thread may use, on the server that has but one.

use std::cell::Cell;
use std::time::Duration;

use socketserver::transport::Transport;
use socketserver::{BaseServer, Result, StreamRequest, StreamRequestHandler, TcpServer};
use testkit::Connect;

struct Hits(Cell<u32>);

impl<T: Transport> BaseServer<T> for Hits {}

/// What a handler keeps need not be fit for other threads either.
#[derive(Default)]
struct Counter {
    own: std::rc::Rc<Cell<u32>>,
}

impl StreamRequestHandler<Hits> for Counter {
    fn handle(&mut self, request: &mut StreamRequest<'_, Hits>) -> Result {
        self.own.set(self.own.get() + 1);
        let hits = &request.server.0;
        hits.set(hits.get() + self.own.get());
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let _alone = testkit::alone();
    let builder = TcpServer::builder(Counter::default).server(Hits(Cell::new(0)));
    let server = builder.timeout(Duration::from_secs(5)).bind("127.0.0.1:0")?;
    let address = server.server_address().as_inet().expect("an internet address");
    for _ in 0..3 {
        let mut client = Connect::Tcp(address).connect()?;
        server.handle_request()?;
        client.read_to_end()?;
    }
    assert_eq!(server.server().0.get(), 3);
    Ok(())
}
