//! A handler that overflows its stack: it is named, and the process ends, as with a thread.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;

use socketserver::mixin::Backend;
use socketserver::{CoroutineTcpServer, Result, StreamRequest, StreamRequestHandler};
use testkit::{Process, role};

use crate::noting::connect;
use crate::on_each_backend;

const SIGABRT: i32 = 6;

/// Recurses as deep as its client says.
struct Recursive;

impl StreamRequestHandler for Recursive {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let mut depth = String::new();
        request.rfile.read_to_string(&mut depth)?;
        let sum = descend(depth.parse()?);
        Ok(std::io::Write::write_all(&mut request.wfile, format!("{sum}").as_bytes())?)
    }
}

/// Takes more than a kilobyte of the stack for each level.
fn descend(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    match depth {
        0 => 0,
        _ => descend(depth - 1) + frame[usize::try_from(depth % 128).unwrap()],
    }
}

on_each_backend! {
    /// The message says whose handler it was; SIGABRT tells the parent.
    fn an_overflow_names_the_handler_and_ends_the_process(backend: Backend) {
        if role().is_none() {
            let test = match backend {
                Backend::Epoll => "epoll",
                _ => "io_uring",
            };
            let name = "overflow::an_overflow_names_the_handler_and_ends_the_process";
            let (status, output) = Process::of_test(&format!("{name}::{test}"), "overflow").wait();
            assert_eq!(status.signal(), Some(SIGABRT), "{output}");
            assert!(output.contains("overflow::Recursive"), "{output}");
            assert!(output.contains("overflowed its stack"), "{output}");
            return;
        }
        let builder = CoroutineTcpServer::builder(|| Recursive).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        // Less than the stack holds, so that it is known to be the depth.
        let client = connect(server.server_address());
        assert_eq!(client.exchange("50").unwrap(), b"1275");
        let _ = connect(server.server_address()).exchange("1000000");
    }

    /// A larger stack holds what the default one does not.
    fn a_larger_stack_holds_more(backend: Backend) {
        let builder = CoroutineTcpServer::builder(|| Recursive).backend(backend).workers(1);
        let builder = builder.stack_size(8 << 20);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let reply = connect(server.server_address()).exchange("2000").unwrap();
        assert_eq!(reply, (2000 * 2001 / 2).to_string().as_bytes());
        crate::noting::stop(server);
    }
}
