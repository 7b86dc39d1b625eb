//! A key-value server that speaks RESP2, the protocol of Redis, well enough for its own clients.
//!
//! A client may send a burst of commands without waiting for the replies. The handler knows
//! nothing of that: `WriteMode::UntilWait` gathers its replies, and sends them as one when there
//! is no command left to read. What a client can make the server remember is bounded on all
//! sides: the words of a command, their bytes, and what the store keeps.
//!
//! Sessions are coroutines. The second argument is the word that changes that, `threading` or
//! `synchronous`; under `forking` each would have a store of its own. A third says how many
//! threads share the coroutines, which are as many as there are cores.
//!
//! ```text
//! cargo run --release --example resp [127.0.0.1:6380 [coroutine [4]]]
//! redis-cli -p 6380 set greeting hello EX 60
//! redis-benchmark -p 6380 -q -t get,set -n 20000 -P 16
//! ```

mod commands;
mod protocol;
mod store;

use std::time::Duration;
use std::{env, error, io};

use socketserver::mixin::AnyMixIn;
use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer, WriteMode};

use self::protocol::{ReadError, Reply, read_command};
use self::store::Store;

/// How long a client may leave its connection idle, or a reply unread.
const IDLE: Duration = Duration::from_secs(300);

/// How many bytes of replies are gathered, at the most.
const GATHERED: usize = 64 * 1024;

struct Session;

impl StreamRequestHandler<Store> for Session {
    fn handle(&mut self, request: &mut StreamRequest<'_, Store>) -> Result {
        let StreamRequest { rfile, wfile, server: store, .. } = request;
        loop {
            let words = match read_command(rfile) {
                Ok(Some(words)) => words,
                Ok(None) => return Ok(()),
                Err(ReadError::Protocol(what)) => {
                    // Where the next command begins is not known any more.
                    Reply::Error(format!("ERR Protocol error: {what}")).write_to(wfile)?;
                    return Ok(());
                }
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(());
                }
                Err(ReadError::Io(error)) => return Err(error.into()),
            };
            if words[0].eq_ignore_ascii_case(b"QUIT") {
                Reply::OK.write_to(wfile)?;
                return Ok(());
            }
            commands::run(store, &words).write_to(wfile)?;
        }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(IDLE)
    }

    fn wbufsize(&self) -> WriteMode {
        WriteMode::UntilWait(GATHERED)
    }

    fn disable_nagle_algorithm(&self) -> bool {
        true // a reply that is sent is waited for
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6380".into());
    // The word.
    let mut mixin: AnyMixIn = arguments.next().as_deref().unwrap_or("coroutine").parse()?;
    if let (AnyMixIn::Coroutine(coroutine), Some(workers)) = (&mut mixin, arguments.next()) {
        coroutine.workers = workers.parse()?;
    }
    let server =
        TcpServer::builder(|| Session).mixin(mixin).server(Store::default()).bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
