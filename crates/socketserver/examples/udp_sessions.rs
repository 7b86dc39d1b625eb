//! UDP sessions: one handler for all datagrams of a peer, which receives in a loop.
//!
//! Each datagram comes back. `bye` ends the session, and so does silence, for as many seconds as
//! the third argument says; the server then tells how many datagrams there were. The second
//! argument is the word that makes a session a thread, `threading`.
//!
//! ```text
//! cargo run --example udp_sessions [127.0.0.1:9999 [coroutine [60]]]
//! nc -u 127.0.0.1 9999
//! ```

use std::time::Duration;
use std::{env, error};

use socketserver::mixin::AnyMixIn;
use socketserver::transport::{Sessions, Udp};
use socketserver::{Result, Server, SessionRequest, SessionRequestHandler};

#[derive(Default)]
struct Echo {
    datagrams: u32,
}

impl SessionRequestHandler for Echo {
    fn handle(&mut self, request: &mut SessionRequest<'_>) -> Result {
        while let Some(datagram) = request.session.recv(None)? {
            self.datagrams += 1;
            request.session.send(&datagram)?;
            if datagram.trim_ascii() == b"bye" {
                break;
            }
        }
        Ok(())
    }

    fn finish(&mut self, request: &mut SessionRequest<'_>) -> Result {
        println!("{}: {} datagrams", request.client_address, self.datagrams);
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9999".into());
    // The word.
    let mixin: AnyMixIn = arguments.next().as_deref().unwrap_or("coroutine").parse()?;
    let seconds = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let server = Server::<Sessions<Udp>, AnyMixIn, _>::builder(Echo::default)
        .mixin(mixin)
        .idle_timeout(Duration::from_secs(seconds))
        .bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
