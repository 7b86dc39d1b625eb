//! Two servers in the program's own event loop.
//!
//! `poll_set` says what to wait for on behalf of a server, and `handle_request_noblock` takes one
//! request if there is one. Any way to wait will do; here it is `poll(2)`. What stops a server is
//! among the descriptors, so the loop hears of Ctrl-C and SIGTERM too.
//!
//! ```text
//! cargo run --example own_loop [127.0.0.1:9999]
//! echo hello | nc -N 127.0.0.1 9999           # echo
//! echo | nc -u -w1 127.0.0.1 9999             # how long the program has been running
//! ```

use std::time::{Duration, Instant};
use std::{env, io};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socketserver::{
    BaseServer, DatagramRequest, DatagramRequestHandler, Result, StreamRequest, ThreadingTcpServer,
    UdpServer, handler_fn, transport,
};

/// Answers each packet with how long the program has been running.
struct Uptime;

struct Begun(Instant);

impl BaseServer<transport::Udp> for Begun {}

impl DatagramRequestHandler<Begun> for Uptime {
    fn handle(&mut self, request: &mut DatagramRequest<'_, Begun>) -> Result {
        request.wfile = format!("up for {:.0?}\n", request.server.0.elapsed()).into_bytes();
        Ok(())
    }
}

fn copy(request: &mut StreamRequest<'_>) -> Result {
    io::copy(&mut request.rfile, &mut request.wfile)?;
    Ok(())
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9999".into());
    let echo = ThreadingTcpServer::bind(&*address, handler_fn(copy))?;
    let uptime = UdpServer::builder(|| Uptime).server(Begun(Instant::now())).bind(&*address)?;
    let stop = echo.shutdown_handle();
    let _signals = stop.on_signals()?;
    println!("listening on {} by TCP", echo.server_address());
    println!("listening on {} by UDP", uptime.server_address());

    while !stop.is_requested() {
        // Asked anew each time, for a server that has no thread to spare leaves its socket out.
        let sets = [echo.poll_set(), uptime.poll_set()];
        let mut watched: Vec<_> = sets
            .iter()
            .flat_map(|set| set.descriptors.iter().flatten())
            .map(|descriptor| PollFd::new(descriptor, PollFlags::IN))
            .collect();
        let timeout = sets.iter().filter_map(|set| set.timeout).min();
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Neither waits: the one that has nothing to do says so at once.
        echo.handle_request_noblock();
        uptime.handle_request_noblock();
    }
    echo.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
