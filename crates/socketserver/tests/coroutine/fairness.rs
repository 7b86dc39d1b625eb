//! A handler that never has to wait: it takes its turns as all others.

use std::io::{BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socketserver::mixin::Backend;
use socketserver::{CoroutineTcpServer, StreamRequest, handler_fn, sleep};
use testkit::{Client, DEADLINE, eventually};

use crate::noting::{connect, stop};
use crate::on_each_backend;

/// Sends as fast as it is read, until told to end.
fn flood(mut client: Client, is_over: &AtomicBool) {
    let data = vec![b'x'; 64 * 1024];
    client.send(b"flood\n").unwrap();
    while !is_over.load(Ordering::Relaxed) {
        client.send(&data).unwrap();
    }
}

on_each_backend! {
    /// With one worker, and several clients whose input never ends: another connection is
    /// answered, one that sleeps wakes up, and new ones are accepted.
    fn one_who_always_has_input_starves_nobody(backend: Backend) {
        let drained = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&drained);
        let handler = handler_fn(move |request: &mut StreamRequest<'_>| {
            let StreamRequest { rfile, wfile, .. } = request;
            let mut line = String::new();
            while rfile.read_line(&mut line)? > 0 {
                match line.trim_end() {
                    "flood" => {
                        let mut buf = [0; 16 * 1024];
                        while let len @ 1.. = rfile.read(&mut buf)? {
                            counted.fetch_add(len, Ordering::Relaxed);
                        }
                        return Ok(());
                    }
                    "sleep" => sleep(Duration::from_millis(5)),
                    _ => {}
                }
                wfile.write_all(line.as_bytes())?;
                line.clear();
            }
            Ok(())
        });
        let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut before = connect(server.server_address());
            for _ in 0..2 {
                let client = connect(server.server_address());
                scope.spawn(|| flood(client, &is_over));
            }
            eventually("the flood", || drained.load(Ordering::Relaxed) > 1 << 20);
            // Ended even if the test fails, or the floods would not be.
            let server = &server;
            let ended = scope.spawn(move || {
                for _ in 0..20 {
                    before.send("hello\n").unwrap();
                    assert_eq!(before.read_line().unwrap(), "hello\n");
                    let mut new = connect(server.server_address());
                    new.send("sleep\n").unwrap();
                    assert_eq!(new.read_line().unwrap(), "sleep\n");
                }
            });
            let begun = std::time::Instant::now();
            while !ended.is_finished() && begun.elapsed() < 2 * DEADLINE {
                thread::sleep(Duration::from_millis(1));
            }
            let drained = drained.load(Ordering::Relaxed);
            is_over.store(true, Ordering::Relaxed);
            ended.join().unwrap();
            assert!(drained > 1 << 20);
        });
        stop(server);
    }
}
