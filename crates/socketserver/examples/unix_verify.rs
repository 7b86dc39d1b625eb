//! A Unix stream server that answers one user only, whoever can open its path.
//!
//! The kernel tells who is at the other end, and `verify_request` refuses all but one uid before
//! a byte is read: one's own, or that of the second argument.
//!
//! ```text
//! cargo run --example unix_verify [/tmp/owner.sock [UID]]
//! nc -U /tmp/owner.sock
//! ```

use std::io::Write;
use std::os::unix::net;
use std::time::Duration;
use std::{env, error};

use socketserver::transport::{UnixStream, UnixStreamExt};
use socketserver::{
    Address, BaseServer, Result, StreamRequest, StreamRequestHandler, ThreadingUnixStreamServer,
};

/// In Python the subclass: what this server decides for itself.
struct OwnerOnly {
    uid: u32,
}

impl BaseServer<UnixStream> for OwnerOnly {
    fn verify_request(&self, request: &net::UnixStream, _: &Address) -> bool {
        request.peer_credentials().is_ok_and(|peer| peer.uid == self.uid)
    }
}

struct Hello;

// Generic over the server's state, so that any server can use it.
impl<S> StreamRequestHandler<S> for Hello {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        writeln!(request.wfile, "hello, owner")?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "/tmp/owner.sock".into());
    let uid = match arguments.next() {
        Some(uid) => uid.parse()?,
        None => rustix::process::getuid().as_raw(),
    };

    let server = ThreadingUnixStreamServer::builder(|| Hello)
        .server(OwnerOnly { uid })
        .mode(0o666) // the path is open to all; it is `verify_request` that keeps them out
        .bind(path)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
