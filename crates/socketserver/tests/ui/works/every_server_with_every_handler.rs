//! If it compiles, it works: each of the twelve servers with each form of handler that there is
//! for it.

use std::io::{self, Write};
use std::time::Duration;

use socketserver::transport::{Datagram, Stream};
use socketserver::*;
use testkit::{Connect, datagram_client, socket_path, unix_datagram_client};

const DEADLINE: Duration = Duration::from_secs(5);

struct Echo;

impl StreamRequestHandler for Echo {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        echo(request)
    }
}

impl DatagramRequestHandler for Echo {
    fn handle(&mut self, request: &mut DatagramRequest<'_>) -> Result {
        echo_packet(request)
    }
}

struct Raw;

impl BaseRequestHandler<Stream> for Raw {
    fn handle(&mut self, request: &mut BaseRequest<'_, Stream>) -> Result {
        let connection = &request.request;
        let mut buffer = [0; 64];
        let len = connection.recv(&mut buffer)?;
        Ok(connection.send_all(&buffer[..len])?)
    }
}

impl BaseRequestHandler<Datagram> for Raw {
    fn handle(&mut self, request: &mut BaseRequest<'_, Datagram>) -> Result {
        request.request.send_to(request.request.data(), request.client_address)?;
        Ok(())
    }
}

fn echo(request: &mut StreamRequest<'_>) -> Result {
    let StreamRequest { rfile, wfile, .. } = request;
    for line in rfile.lines() {
        write!(wfile, "{}", line?)?;
    }
    Ok(())
}

fn echo_packet(request: &mut DatagramRequest<'_>) -> Result {
    request.wfile = request.packet.to_vec();
    Ok(())
}

/// Serves one client, which asks before the server looks, and checks what it is answered.
macro_rules! check {
    ($alias:ident, $address:expr, $handler:expr, $ask:ident) => {{
        let server = $alias::builder($handler).timeout(DEADLINE).bind($address)?;
        let answer = $ask(server.server_address(), || {
            assert_eq!(server.handle_request()?, Outcome::Processed);
            Ok(())
        })?;
        assert_eq!(answer, b"hello", "{}", stringify!($alias with $handler));
        assert!(server.server_close(Some(DEADLINE)));
    }};
}

fn ask_stream(server: &Address, handle: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<u8>> {
    let connect = match server.as_inet() {
        Some(address) => Connect::Tcp(address),
        None => Connect::Unix(server.as_path().expect("a path").to_owned()),
    };
    let mut client = connect.connect()?;
    client.send("hello")?;
    client.end()?;
    handle()?;
    client.read_to_end()
}

fn ask_packet(server: &Address, handle: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let len = match server.as_inet() {
        Some(address) => {
            let client = datagram_client(address)?;
            client.send(b"hello")?;
            handle()?;
            client.recv(&mut buffer)?
        }
        None => {
            let (client, _own) = unix_datagram_client(server.as_path().expect("a path"))?;
            client.send(b"hello")?;
            handle()?;
            client.recv(&mut buffer)?
        }
    };
    Ok(buffer[..len].to_vec())
}

macro_rules! check_streams {
    ($($alias:ident)+, $address:expr) => {$(
        check!($alias, $address, || Echo, ask_stream);
        check!($alias, $address, || Raw, ask_stream);
        check!($alias, $address, handler_fn(echo), ask_stream);
        check!($alias, $address, || HandlerFn::new(echo), ask_stream);
        check!($alias, $address, || Box::new(Echo) as Box<dyn StreamRequestHandler>, ask_stream);
        check!($alias, $address, handler_fn(|request| echo(request)), ask_stream);
    )+};
}

macro_rules! check_packets {
    ($($alias:ident)+, $address:expr) => {$(
        check!($alias, $address, || Echo, ask_packet);
        check!($alias, $address, || Raw, ask_packet);
        check!($alias, $address, || HandlerFn::new(echo_packet), ask_packet);
        check!($alias, $address, || Box::new(Echo) as Box<dyn DatagramRequestHandler>, ask_packet);
    )+};
}

fn main() -> io::Result<()> {
    let path = socket_path();
    // First those that fork, while this process has but one thread.
    check_streams!(ForkingTcpServer, "127.0.0.1:0");
    check_streams!(ForkingUnixStreamServer, &path);
    check_packets!(ForkingUdpServer, "127.0.0.1:0");
    check_packets!(ForkingUnixDatagramServer, &path);

    let _alone = testkit::alone();
    check_streams!(TcpServer ThreadingTcpServer, "127.0.0.1:0");
    check_streams!(UnixStreamServer ThreadingUnixStreamServer, &path);
    check_packets!(UdpServer ThreadingUdpServer, "127.0.0.1:0");
    check_packets!(UnixDatagramServer ThreadingUnixDatagramServer, &path);
    Ok(())
}
