//! A handler that never has to wait: it takes its turns as all others.

use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socketserver::mixin::Backend;
use socketserver::observe::{Event, Observer};
use socketserver::{
    CoroutineTcpServer, Result, StreamRequest, StreamRequestHandler, handler_fn, sleep,
};
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

/// Notes who kept a thread, and for how long.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<(&'static str, Duration)>>>);

impl Observer for Kept {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Blocked { handler, elapsed, .. } = event {
            self.0.lock().unwrap().push((handler, *elapsed));
        }
    }
}

struct Stubborn;

impl StreamRequestHandler for Stubborn {
    fn handle(&mut self, request: &mut StreamRequest<'_>) -> Result {
        let mut line = String::new();
        request.rfile.read_line(&mut line)?;
        if line.trim_end() == "block" {
            // Not this crate's sleep: the thread cannot do anything else meanwhile.
            thread::sleep(Duration::from_millis(150));
        }
        Ok(request.wfile.write_all(line.as_bytes())?)
    }
}

on_each_backend! {
    /// It is told, by its handler's name, and once; one that waits as it should is not.
    fn one_who_keeps_its_thread_is_told(backend: Backend) {
        let kept = Kept::default();
        let builder = CoroutineTcpServer::builder(|| Stubborn).backend(backend).workers(1);
        let server = builder.observer(kept.clone()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        for text in ["wait", "block", "wait"] {
            let mut client = connect(server.server_address());
            client.send(format!("{text}\n").as_bytes()).unwrap();
            assert_eq!(client.read_line().unwrap().trim_end(), text);
        }
        eventually("it is told", || !kept.0.lock().unwrap().is_empty());
        stop(server);
        let kept = kept.0.lock().unwrap();
        let [(handler, elapsed)] = kept[..] else { panic!("{kept:?}") };
        assert!(handler.ends_with("Stubborn"), "{handler}");
        assert!(elapsed >= Duration::from_millis(100), "{elapsed:?}");
    }
}
