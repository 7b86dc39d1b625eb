//! A syslog collector on UDP, TCP and a Unix datagram socket at once, with one state behind them.
//!
//! It prints each message as a line: `facility.severity time host program[process]: text`. It
//! reads both formats that are in use, RFC 5424 and RFC 3164 (`message.rs`), and both ways to
//! tell messages apart on TCP, RFC 6587 (`framing.rs`). Nobody is ever answered.
//!
//! ```text
//! cargo run --example syslog [127.0.0.1:1514 [/tmp/syslog.sock]]
//! logger -d -n 127.0.0.1 -P 1514 over UDP
//! logger -T -n 127.0.0.1 -P 1514 over TCP
//! logger -u /tmp/syslog.sock over a Unix socket
//! ```

mod framing;
mod message;

use std::env;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socketserver::transport::Transport;
use socketserver::{
    BaseServer, DatagramRequest, DatagramRequestHandler, Result, StreamRequest,
    StreamRequestHandler, ThreadingTcpServer, UdpServer, UnixDatagramServer,
};

use self::message::Message;

/// The longest message that is taken; of a longer one, the end is dropped.
const LIMIT: usize = 8 * 1024;

/// What the three servers share.
#[derive(Default)]
struct Collector {
    messages: AtomicU64,
}

impl<T: Transport> BaseServer<T> for Collector {}

impl Collector {
    fn collect(&self, message: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(message);
        self.messages.fetch_add(1, Ordering::Relaxed);
        writeln!(io::stdout(), "{}", Message::parse(&text))
    }
}

/// One handler for all: a packet is one message, a connection brings many.
struct Collect;

impl DatagramRequestHandler<Collector> for Collect {
    fn handle(&mut self, request: &mut DatagramRequest<'_, Collector>) -> Result {
        let message = &request.packet[..request.packet.len().min(LIMIT)];
        Ok(request.server.collect(message)?)
    }
}

impl StreamRequestHandler<Collector> for Collect {
    fn handle(&mut self, request: &mut StreamRequest<'_, Collector>) -> Result {
        let mut message = Vec::new();
        while framing::read_message(&mut request.rfile, LIMIT, &mut message)? {
            request.server.collect(&message)?;
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1514".into());
    let path = arguments.next().unwrap_or_else(|| "/tmp/syslog.sock".into());

    let collector = Arc::new(Collector::default());
    let state = || Arc::clone(&collector);
    let tcp = ThreadingTcpServer::builder(|| Collect).shared_server(state()).bind(&*address)?;
    let udp = UdpServer::builder(|| Collect).shared_server(state()).bind(&*address)?;
    // Whoever may log, may connect: as /dev/log is.
    let unix =
        UnixDatagramServer::builder(|| Collect).shared_server(state()).mode(0o666).bind(path)?;
    let _signals = tcp.shutdown_handle().on_signals()?;
    println!("listening on {} by TCP", tcp.server_address());
    println!("listening on {} by UDP", udp.server_address());
    println!("listening on {}", unix.server_address());

    // Two in the background, one here; the signals stop this one, and it the others.
    let background = (udp.spawn()?, unix.spawn()?);
    tcp.serve_forever()?;

    let patience = Some(Duration::from_secs(1));
    tcp.server_close(patience);
    background.0.stop(patience)?;
    background.1.stop(patience)?;
    println!("{} messages", collector.messages.load(Ordering::Relaxed));
    Ok(())
}
