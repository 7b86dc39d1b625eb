//! A transport of one's own: one of the library's, wrapped, with two methods overridden.
//!
//! `Counted` counts the requests that are open, and tells of each that comes and goes. It wraps
//! any transport; what it does not override is that one's.
//!
//! ```text
//! cargo run --example own_transport [127.0.0.1:9999]
//! echo hello | nc -N 127.0.0.1 9999
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socketserver::transport::{Transport, Wrap};
use socketserver::{Address, Result, StreamRequest, ThreadingTcpServer, handler_fn};

struct Counted<T> {
    inner: T,
    came: AtomicU64,
    went: AtomicU64,
}

impl<T> Counted<T> {
    fn new(inner: T) -> Self {
        Self { inner, came: AtomicU64::new(0), went: AtomicU64::new(0) }
    }
}

impl<T: Transport> Wrap for Counted<T> {
    type Inner = T;

    fn inner(&self) -> &T {
        &self.inner
    }

    fn get_request(&self, socket: &T::Socket) -> io::Result<(Arc<T::Request>, Address)> {
        let (request, client_address) = self.inner.get_request(socket)?; // Python's `super()`
        let came = self.came.fetch_add(1, Ordering::Relaxed) + 1;
        println!("{client_address} came, as number {came}");
        Ok((request, client_address))
    }

    fn shutdown_request(&self, request: &T::Request) {
        self.inner.shutdown_request(request);
        let went = self.went.fetch_add(1, Ordering::Relaxed) + 1;
        println!("one went, {} are here", self.came.load(Ordering::Relaxed) - went);
    }
}

fn echo(request: &mut StreamRequest<'_>) -> Result {
    io::copy(&mut request.rfile, &mut request.wfile)?;
    Ok(())
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let server =
        ThreadingTcpServer::builder(handler_fn(echo)).transport(Counted::new).bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    println!("{} came in all", server.transport().came.load(Ordering::Relaxed));
    Ok(())
}
