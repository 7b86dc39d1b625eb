//! Hooks: what a Python programmer overrides in a subclass of a server.
//!
//! The server adds up the numbers on a line. Around that it decides who may come
//! (`verify_request`: three visits a minute for each address), tells how long each visit took
//! (`finish_request`), answers a client whose request failed (`handle_error`), and says when
//! nobody came (`handle_timeout`), when visits are forgotten (`service_actions`), and what there
//! was in all (`server_close`). Each override can still call the default: Python's `super()`.
//!
//! ```text
//! cargo run --example hooks [127.0.0.1:9999]
//! echo 1 2 3 | nc 127.0.0.1 9999
//! ```

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socketserver::transport::Stream;
use socketserver::{
    Address, BaseServer, Failed, FinishRequest, RequestError, Result, StreamRequest,
    StreamRequestHandler, ThreadingTcpServer, print_error,
};

const VISITS: u32 = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// The server's own state; all hooks and handlers share it.
#[derive(Default)]
struct Guarded {
    /// By address: since when we count, and how often it has come since.
    visits: Mutex<HashMap<IpAddr, (Instant, u32)>>,
    served: AtomicU64,
    failed: AtomicU64,
}

impl BaseServer for Guarded {
    fn verify_request(&self, _: &TcpStream, client_address: &Address) -> bool {
        let Some(ip) = client_address.ip() else { return false };
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = visits.entry(ip).or_insert_with(|| (Instant::now(), 0));
        *count += 1;
        *count <= VISITS
    }

    fn finish_request(&self, request: FinishRequest<'_, Stream, Self>) -> Result<(), Failed> {
        let client_address = request.client_address();
        let begun = Instant::now();
        let result = request.finish(); // the default
        self.served.fetch_add(1, Ordering::Relaxed);
        println!("{client_address} was here for {:?}", begun.elapsed());
        result
    }

    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(connection) = error.connection() {
            // If the client is gone, it need not be told.
            let _ = connection.send_all(format!("sorry: {error}\n").as_bytes());
        }
        print_error(error, client_address); // the default
    }

    fn handle_timeout(&self) {
        println!("nobody came");
    }

    fn service_actions(&self) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.retain(|ip, (since, _)| {
            let is_recent = since.elapsed() < MINUTE;
            if !is_recent {
                println!("{ip} may come again");
            }
            is_recent
        });
    }

    fn server_close(&self) {
        let [served, failed] = [&self.served, &self.failed].map(|n| n.load(Ordering::Relaxed));
        println!("{served} visits, {failed} of which failed");
    }
}

struct Sum;

// Generic over the server's state, so that a server without hooks can use it too.
impl<S> StreamRequestHandler<S> for Sum {
    fn handle(&mut self, request: &mut StreamRequest<'_, S>) -> Result {
        let StreamRequest { rfile, wfile, .. } = request;
        let Some(line) = rfile.lines().next().transpose()? else { return Ok(()) };
        let mut sum = 0_i64;
        for word in line.split_whitespace() {
            let number: i64 = word.parse()?; // any error goes to `handle_error`
            sum = sum.checked_add(number).ok_or("the sum is too large")?;
        }
        writeln!(wfile, "{sum}")?;
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let server = ThreadingTcpServer::builder(|| Sum)
        .server(Guarded::default())
        .timeout(Duration::from_secs(1)) // of `handle_request`
        .poll_interval(Duration::from_millis(200)) // of `serve_forever`
        .bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());

    server.handle_request()?; // one request, or `handle_timeout` after a second without any
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
