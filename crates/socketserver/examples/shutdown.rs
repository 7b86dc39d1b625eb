//! Shutting down: on a signal or from a handler, then draining, and the report of it.
//!
//! A client sends a number of milliseconds a line, and is told when they are over; `stop` stops
//! the server. Either way, and on Ctrl-C or SIGTERM, the server takes no more clients, and gives
//! those that it has three seconds (or as many as the second argument says); who is not done by
//! then is cut. A second signal cuts at once, a third one kills.
//!
//! ```text
//! cargo run --example shutdown [127.0.0.1:9999 [3]]
//! echo 2000 | nc -N 127.0.0.1 9999 & sleep 1; echo stop | nc -N 127.0.0.1 9999
//! ```

use std::io::Write;
use std::time::Duration;
use std::{env, error, thread};

use socketserver::{Result, StreamRequest, StreamRequestHandler, ThreadingTcpServer};

struct Work;

impl StreamRequestHandler for Work {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let StreamRequest { rfile, wfile, shutdown_handle, .. } = request;
        for line in rfile.lines() {
            match line?.as_str() {
                "stop" => {
                    shutdown_handle.request_shutdown(); // `shutdown` would also wait for it
                    writeln!(wfile, "stopping")?;
                    break;
                }
                milliseconds => {
                    thread::sleep(Duration::from_millis(milliseconds.parse()?));
                    writeln!(wfile, "worked for {milliseconds} ms")?;
                }
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9999".into());
    let patience = arguments.next().map_or(Ok(3), |seconds| seconds.parse())?;

    let server = ThreadingTcpServer::bind(address, || Work)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;

    println!("stopping; {} requests run", server.active_requests());
    let report = server.drain(Some(Duration::from_secs(patience)));
    println!("{} ended by themselves", report.finished);
    for cut in &report.cut {
        println!("{} was cut after {:.1} s", cut.client_address, cut.age.as_secs_f64());
    }
    if report.unfinished > 0 {
        println!("{} did not even notice, and end with the process", report.unfinished);
    }
    Ok(())
}
