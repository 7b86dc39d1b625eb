//! An HTTP/1.1 hello: keep-alive, pipelining, bounded reads, the right answer to wrong requests.
//!
//! `GET /` says hello to the world, `POST /` to whomever the body names. Heads are parsed by the
//! `httparse` crate; what may be in them is in `head.rs`, and how they are read in `request.rs`.
//! Requests that a client sends without waiting are answered together (`WriteMode::UntilWait`).
//!
//! Connections are coroutines. The second argument is the word that changes that: `threading`,
//! `forking`, `synchronous`. A third says how many threads share the coroutines, which are as many
//! as there are cores.
//!
//! ```text
//! cargo run --release --example http_hello [127.0.0.1:8080 [coroutine [4]]]
//! curl -i http://127.0.0.1:8080/ -d you
//! wrk -t1 -c32 -d3 http://127.0.0.1:8080/
//! ```

mod date;
mod head;
mod request;

use std::io::{self, Write};
use std::time::Duration;
use std::{env, error};

use socketserver::handler::Wfile;
use socketserver::mixin::AnyMixIn;
use socketserver::{Result, StreamRequest, StreamRequestHandler, TcpServer, WriteMode};

use self::head::{Method, Status};
use self::request::{Next, Request, read_request};

/// How long a client may leave its connection idle, or an answer unread.
const IDLE: Duration = Duration::from_secs(10);

/// How many bytes of answers are gathered, at the most.
const GATHERED: usize = 64 * 1024;

struct Hello;

impl StreamRequestHandler for Hello {
    fn handle(&mut self, connection: &mut StreamRequest<'_>) -> Result {
        let StreamRequest { rfile, wfile, shutdown_handle, .. } = connection;
        loop {
            let request = match read_request(rfile, wfile)? {
                Next::Request(request) => request,
                Next::Wrong(status) => {
                    // Where the next request begins is not known any more.
                    let body = format!("{}\n", status.reason());
                    return Ok(answer(wfile, Method::Get, status, "", &body, false)?);
                }
                Next::End => return Ok(()),
            };
            // A server that stops lets its clients finish, and sends them away then.
            let keep_alive = request.keep_alive && !shutdown_handle.is_requested();
            let (status, headers, body) = hello(&request);
            answer(wfile, request.method, status, headers, &body, keep_alive)?;
            if !keep_alive {
                return Ok(());
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(IDLE)
    }

    fn wbufsize(&self) -> WriteMode {
        WriteMode::UntilWait(GATHERED)
    }

    fn disable_nagle_algorithm(&self) -> bool {
        true // an answer that is sent is waited for
    }
}

/// What this server is about: the answer's status, headers of its own, and body.
fn hello(request: &Request) -> (Status, &'static str, String) {
    let path = request.target.split('?').next().unwrap_or_default();
    let (status, headers) = match (path, request.method) {
        ("/", Method::Get | Method::Head) => return (Status::Ok, "", "Hello, world!\n".into()),
        ("/", Method::Post) => {
            let name = String::from_utf8_lossy(&request.body);
            return (Status::Ok, "", format!("Hello, {}!\n", name.trim()));
        }
        ("/", Method::Other) => (Status::MethodNotAllowed, "Allow: GET, HEAD, POST\r\n"),
        _ => (Status::NotFound, ""),
    };
    (status, headers, format!("{}\n", status.reason()))
}

fn answer(
    wfile: &mut Wfile,
    method: Method,
    status: Status,
    headers: &str,
    body: &str,
    keep_alive: bool,
) -> io::Result<()> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let (date, length) = (date::now(), body.len());
    write!(
        wfile,
        "HTTP/1.1 {} {}\r\nDate: {date}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n{headers}Connection: {connection}\r\n\r\n{}",
        status as u16,
        status.reason(),
        if method == Method::Head { "" } else { body },
    )
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    // The word.
    let mut mixin: AnyMixIn = arguments.next().as_deref().unwrap_or("coroutine").parse()?;
    if let (AnyMixIn::Coroutine(coroutine), Some(workers)) = (&mut mixin, arguments.next()) {
        coroutine.workers = workers.parse()?;
    }
    let server = TcpServer::builder(|| Hello).mixin(mixin).bind(address)?;
    let _signals = server.shutdown_handle().on_signals()?;
    println!("listening on {}", server.server_address());
    server.serve_forever()?;
    server.server_close(Some(Duration::from_secs(1)));
    Ok(())
}
