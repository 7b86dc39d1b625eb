//! The servers of this repository, with the peers' work as their handler.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socketserver::mixin::{Backend, Coroutine, MixIn};
use socketserver::transport::Tcp;
use socketserver::{
    CoroutineTcpServer, CoroutineUdpServer, DatagramRequest, DatagramRequestHandler,
    ForkingTcpServer, Pending, Server, StreamRequest, StreamRequestHandler, TcpServer,
    ThreadingTcpServer, UdpServer,
};

use super::{announce, no_delay};
use crate::Result;

/// Line by line into the same vector, as the peers with threads do it.
struct Echo;

impl StreamRequestHandler for Echo {
    fn disable_nagle_algorithm(&self) -> bool {
        no_delay()
    }

    fn handle(&mut self, request: &mut StreamRequest<'_>) -> socketserver::Result {
        let mut line = Vec::new();
        loop {
            line.clear();
            if request.rfile.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            request.wfile.write_all(&line)?;
        }
    }
}

/// The handler that anybody would write, and no setting changed.
struct Lines;

impl StreamRequestHandler for Lines {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> socketserver::Result {
        let StreamRequest { rfile, wfile, .. } = request;
        for line in rfile.lines() {
            writeln!(wfile, "{}", line?)?;
        }
        Ok(())
    }
}

struct Datagrams;

impl DatagramRequestHandler for Datagrams {
    fn handle(&mut self, request: &mut DatagramRequest<'_>) -> socketserver::Result {
        request.wfile.extend_from_slice(request.packet);
        Ok(())
    }
}

const ADDRESS: &str = "127.0.0.1:0";

/// How long a connection of the hibernating server is silent before its stack is copied away.
const HIBERNATE_AFTER: Duration = Duration::from_secs(1);

/// Serves under this name, if it is one of ours.
pub(super) fn serve(name: &str) -> Option<Result<()>> {
    Some(match name {
        "tcp" => tcp(TcpServer::bind(ADDRESS, || Echo)),
        "threading" => tcp(ThreadingTcpServer::bind(ADDRESS, || Echo)),
        "forking" => tcp(ForkingTcpServer::bind(ADDRESS, || Echo)),
        "udp" => udp(),
        "coroutine-udp" => coroutine_udp(),
        _ => tcp(CoroutineTcpServer::builder(|| Lines).mixin(coroutine(name)?).bind(ADDRESS)),
    })
}

/// The settings that a name stands for. One worker, unless the name says otherwise: that is what
/// runs on one core, where all servers are compared.
fn coroutine(name: &str) -> Option<Coroutine> {
    let mut coroutine = Coroutine::default();
    coroutine.workers = 1;
    match name {
        "coroutine" => {}
        "coroutine-epoll" => coroutine.backend = Backend::Epoll,
        "coroutine-io_uring" => coroutine.backend = Backend::IoUring,
        "coroutine-2" => coroutine.workers = 2,
        "coroutine-hibernate" => coroutine.hibernate_after = Some(HIBERNATE_AFTER),
        _ => return None,
    }
    Some(coroutine)
}

fn tcp<M, H>(server: io::Result<Server<Tcp, M, H, ()>>) -> Result<()>
where
    M: MixIn<Pending<Tcp, ()>>,
    H: StreamRequestHandler,
{
    let server = server?;
    announce(address(&server)?.port())?;
    Ok(server.serve_forever()?)
}

fn udp() -> Result<()> {
    let server = UdpServer::bind(ADDRESS, || Datagrams)?;
    let address = server.server_address().as_inet().ok_or("a UDP server has an address")?;
    announce(address.port())?;
    Ok(server.serve_forever()?)
}

fn coroutine_udp() -> Result<()> {
    let one_worker = coroutine("coroutine").ok_or("no such settings")?;
    let server = CoroutineUdpServer::builder(|| Datagrams).mixin(one_worker).bind(ADDRESS)?;
    let address = server.server_address().as_inet().ok_or("a UDP server has an address")?;
    announce(address.port())?;
    Ok(server.serve_forever()?)
}

/// Serves until a line comes on standard input; then prints how long `shutdown()` takes, and
/// `server_close` after it that waits for nobody, in nanoseconds.
pub(super) fn serve_until_told(name: &str) -> Result<()> {
    if let Some(coroutine) = coroutine(name) {
        return until_told(&CoroutineTcpServer::builder(|| Lines).mixin(coroutine).bind(ADDRESS)?);
    }
    match name {
        "threading" => until_told(&ThreadingTcpServer::bind(ADDRESS, || Echo)?),
        _ => Err(format!("no server of ours is named {name:?} here").into()),
    }
}

fn until_told<M, H>(server: &Server<Tcp, M, H, ()>) -> Result<()>
where
    M: MixIn<Pending<Tcp, ()>> + Sync,
    H: StreamRequestHandler,
{
    announce(address(server)?.port())?;
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let told = io::stdin().read_line(&mut String::new());
        let begin = Instant::now();
        server.shutdown();
        let shutdown = begin.elapsed();
        serving.join().map_err(|_| "the server panicked")??;
        let begin = Instant::now();
        server.server_close(Some(Duration::ZERO));
        let close = begin.elapsed();
        told?;
        writeln!(io::stdout(), "{} {}", shutdown.as_nanos(), close.as_nanos())?;
        // Handlers that still run are not waited for.
        std::process::exit(0)
    })
}

/// Times `shutdown()` so many times, each on a new server that has served and is idle.
pub(super) fn shutdown(name: &str, rounds: usize) -> Result<()> {
    for round in 0..rounds {
        let took = match name {
            "tcp" => time_shutdown(&TcpServer::bind(ADDRESS, || Echo)?, round),
            "threading" => time_shutdown(&ThreadingTcpServer::bind(ADDRESS, || Echo)?, round),
            "forking" => {
                let builder = ForkingTcpServer::builder(|| Echo).allow_threads(true);
                time_shutdown(&builder.bind(ADDRESS)?, round)
            }
            _ => {
                let coroutine =
                    coroutine(name).ok_or(format!("no server of ours is named {name:?}"))?;
                let builder = CoroutineTcpServer::builder(|| Lines).mixin(coroutine);
                time_shutdown(&builder.bind(ADDRESS)?, round)
            }
        };
        writeln!(io::stdout(), "{}", took?.as_nanos())?;
    }
    Ok(())
}

fn time_shutdown<M, H>(server: &Server<Tcp, M, H, ()>, round: usize) -> Result<Duration>
where
    M: MixIn<Pending<Tcp, ()>> + Sync,
    H: StreamRequestHandler,
{
    let address = address(server)?;
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let took = ask(address).map(|()| {
            // The same pauses as on the other side; see there.
            let pause = 10 + u64::try_from(round).unwrap_or(0) * 97 % 500;
            thread::sleep(Duration::from_millis(pause));
            let begin = Instant::now();
            server.shutdown();
            begin.elapsed()
        });
        if took.is_err() {
            server.shutdown();
        }
        serving.join().map_err(|_| "the server panicked")??;
        took
    })
}

/// Makes sure that it serves.
fn ask(address: SocketAddr) -> Result<()> {
    let mut client = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    client.write_all(b"serving\n")?;
    let mut reply = [0; 8];
    client.read_exact(&mut reply)?;
    if &reply != b"serving\n" {
        return Err("wrong reply".into());
    }
    // Closing would not do: a forked child has a copy of the client's end.
    Ok(client.shutdown(Shutdown::Both)?)
}

fn address<M, H>(server: &Server<Tcp, M, H, ()>) -> Result<SocketAddr>
where
    M: MixIn<Pending<Tcp, ()>>,
    H: StreamRequestHandler,
{
    Ok(server.server_address().as_inet().ok_or("a TCP server has an internet address")?)
}
