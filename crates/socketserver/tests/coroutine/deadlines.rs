//! Time-outs of a coroutine's reads and writes: its own alone, and never before data.

use std::io::{BufRead, ErrorKind, Write};
use std::time::{Duration, Instant};

use socketserver::mixin::Backend;
use socketserver::{
    CoroutineTcpServer, Result, StreamRequest, StreamRequestHandler, handler_fn, sleep,
};

use crate::noting::{connect, stop};
use crate::on_each_backend;

const SHORT: Duration = Duration::from_millis(30);

/// Tells how its reads end.
struct Impatient;

impl StreamRequestHandler for Impatient {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        loop {
            let mut line = String::new();
            let begun = Instant::now();
            match request.rfile.read_line(&mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => write!(request.wfile, "got {line}")?,
                Err(error) => {
                    assert!(begun.elapsed() >= SHORT, "after {:?}", begun.elapsed());
                    writeln!(request.wfile, "{:?}", error.kind())?;
                }
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(SHORT)
    }
}

on_each_backend! {
    /// A88: it is for each wait; the connection can be read again, and nobody else is affected.
    fn a_time_out_is_one_coroutines_and_one_waits(backend: Backend) {
        let builder = CoroutineTcpServer::builder(|| Impatient).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let patient = handler_fn(|request: &mut StreamRequest<'_>| {
            let mut line = String::new();
            request.rfile.read_line(&mut line)?;
            Ok(request.wfile.write_all(line.as_bytes())?)
        });
        let other = CoroutineTcpServer::builder(patient).backend(backend).workers(1);
        let other = other.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut waits = connect(other.server_address());

        let mut silent = connect(server.server_address());
        let mut talking = connect(server.server_address());
        assert_eq!(silent.read_line().unwrap(), "TimedOut\n");
        assert_eq!(silent.read_line().unwrap(), "TimedOut\n");
        for _ in 0..5 {
            talking.send("hello\n").unwrap();
            while talking.read_line().unwrap() != "got hello\n" {}
        }
        silent.send("late\n").unwrap();
        while silent.read_line().unwrap() != "got late\n" {}
        waits.send("hello\n").unwrap();
        assert_eq!(waits.read_line().unwrap(), "hello\n");
        drop((silent, talking, waits));
        stop(server);
        stop(other);
    }

    /// A88: what is there is read, even if the time was over before it was looked for; and a wait
    /// whose time is past fails at once.
    fn data_comes_before_the_time_out(backend: Backend) {
        let handler = handler_fn(|request: &mut StreamRequest<'_>| {
            let connection = request.connection();
            connection.set_timeout(Some(Duration::from_nanos(1)))?;
            // A receive that finds nothing is over at once.
            let error = connection.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            connection.send_all(b"now\n")?;
            // By the end of it the data is there.
            sleep(SHORT);
            let mut buf = [0; 8];
            for _ in 0..200 {
                match connection.recv(&mut buf) {
                    Ok(len) => {
                        connection.send_all(&buf[..len])?;
                        return Ok(());
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                }
                sleep(SHORT);
            }
            Err("no data in all that time".into())
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut client = connect(server.server_address());
        assert_eq!(client.read_line().unwrap(), "now\n");
        client.send("data\n").unwrap();
        assert_eq!(client.read_to_end().unwrap(), b"data\n");
        stop(server);
    }

    /// A88: a client that reads nothing times out a write.
    fn a_write_that_finds_no_room_times_out(backend: Backend) {
        let handler = handler_fn(|request: &mut StreamRequest<'_, crate::noting::Noting>| {
            request.connection().set_timeout(Some(SHORT))?;
            let error = loop {
                if let Err(error) = request.wfile.write_all(&[7; 256 * 1024]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(!request.is_cut());
            Err(error.into())
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        let noting = crate::noting::Noting::default();
        let server = builder.server(noting.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut client = connect(server.server_address());
        noting.trace.wait_for("error: ");
        // It is ended all the same, behind what was sent of it.
        assert!(client.read_to_end().unwrap().iter().all(|byte| *byte == 7));
        stop(server);
    }
}
