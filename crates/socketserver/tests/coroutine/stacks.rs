//! More requests than there are stacks: some are refused, and nothing ends that should not.

use std::io::{BufRead, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socketserver::mixin::Backend;
use socketserver::{
    Address, BaseServer, CoroutineTcpServer, Failure, RequestError, StreamRequest, handler_fn,
};
use testkit::{Process, eventually, role};

use crate::noting::{connect, stop};
use crate::on_each_backend;

/// Tells who could not be started.
struct Telling;

impl BaseServer for Telling {
    fn handle_error(&self, error: &RequestError, _: &Address) {
        if let Failure::Process(_) = error.failure() {
            let _ = error.connection().map(|client| client.send_all(b"busy\n"));
        }
    }
}

/// How much of the address space is used, in bytes.
fn used() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    used.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

on_each_backend! {
    /// A69: those for whom there is none go to `handle_error`, still open, and are closed; those
    /// who run go on, and who comes when there are stacks again is served.
    fn a_stack_that_cannot_be_had_costs_one_request(backend: Backend) {
        if role().is_none() {
            // The limit would be everybody's in this process.
            let test = match backend {
                Backend::Epoll => "epoll",
                _ => "io_uring",
            };
            let name = "stacks::a_stack_that_cannot_be_had_costs_one_request";
            let process = Process::of_test(&format!("{name}::{test}"), "few stacks");
            let (status, output) = process.wait();
            assert!(status.success(), "{output}");
            return;
        }
        let handler = handler_fn(|request: &mut StreamRequest<'_, Telling>| {
            request.wfile.write_all(b"hello\n")?;
            let mut line = String::new();
            request.rfile.read_line(&mut line)?;
            Ok(request.wfile.write_all(line.as_bytes())?)
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        // Large ones, so that there are few of them.
        let builder = builder.stack_size(1 << 20).server(Telling);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut first = connect(server.server_address());
        assert_eq!(first.read_line().unwrap(), "hello\n");

        let unlimited = getrlimit(Resource::As);
        let limit = Rlimit { current: Some(used() + (300 << 20)), ..unlimited };
        setrlimit(Resource::As, limit).unwrap();
        let mut served = Vec::new();
        let mut refused = 0;
        for _ in 0..400 {
            let mut client = connect(server.server_address());
            match client.read_line().unwrap().as_str() {
                "hello\n" => served.push(client),
                "busy\n" => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        setrlimit(Resource::As, unlimited).unwrap();
        assert!(refused > 0 && served.len() > 10, "{refused} refused, {} not", served.len());
        for client in std::iter::once(&mut first).chain(&mut served) {
            client.send("still here\n").unwrap();
            assert_eq!(client.read_line().unwrap(), "still here\n");
        }
        eventually("their ends", || server.mixin().coroutines() == 0);
        let mut late = connect(server.server_address());
        assert_eq!(late.read_line().unwrap(), "hello\n");
        drop(late);
        stop(server);
    }
}
