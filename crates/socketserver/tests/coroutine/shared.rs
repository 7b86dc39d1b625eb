//! Connections that several use: a chat, and a proxy.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;

use socketserver::mixin::Backend;
use socketserver::sync::Mutex;
use socketserver::transport::Connection;
use socketserver::{CoroutineTcpServer, Result, StreamRequest, handler_fn, net, spawn};
use testkit::{Trace, eventually};

use crate::noting::{connect, stop};
use crate::on_each_backend;

/// Who is there.
#[derive(Default)]
struct Room {
    there: Mutex<Vec<Arc<dyn Connection>>>,
    trace: Trace,
}

impl socketserver::BaseServer for Room {}

impl Room {
    /// Says it to all; returns how many could not be told, for they are gone.
    fn say(&self, line: &str) -> usize {
        let there = self.there.lock();
        let told = there.iter().map(|one| one.send_all(line.as_bytes()));
        told.filter(|told| {
            let is_gone = told.as_ref().is_err_and(is_gone);
            assert_eq!(is_gone, told.is_err(), "{told:?}");
            is_gone
        })
        .count()
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<socketserver::Disconnected>())
}

/// Joins, and says to all what its client says, until that one leaves.
fn chat(request: &mut StreamRequest<'_, Room>) -> Result {
    let room = request.server;
    room.there.lock().push(Arc::clone(request.connection()));
    room.trace.note(format!("joined on {:?}", thread::current().id()));
    for line in request.rfile.by_ref().lines() {
        room.say(&format!("{}\n", line?));
    }
    Ok(())
}

on_each_backend! {
    /// Each writes on the connections of all others, those of the other worker among them; and so
    /// does a thread that is no worker.
    fn a_connection_is_written_to_from_anywhere(backend: Backend) {
        let builder = CoroutineTcpServer::builder(handler_fn(chat)).backend(backend).workers(2);
        let server = builder.server(Room::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut clients: Vec<_> = (0..24).map(|_| connect(server.server_address())).collect();
        let room = server.server();
        room.trace.wait_for_several(clients.len(), "joined");
        let mut threads = room.trace.texts();
        threads.sort();
        threads.dedup();
        assert_eq!(threads.len(), 2, "{threads:?}");
        for speaker in 0..clients.len() {
            let line = format!("from {speaker}\n");
            clients[speaker].send(&line).unwrap();
            for client in &mut clients {
                assert_eq!(client.read_line().unwrap(), line);
            }
        }
        room.say("from a thread\n");
        for client in &mut clients {
            assert_eq!(client.read_line().unwrap(), "from a thread\n");
        }
        drop(clients);
        room.there.lock().clear();
        stop(server);
    }

    /// A53: one that is kept when its request has ended is at its end for the client, and for who
    /// keeps it: to write on it fails as on one whose client has gone. Its number is nobody else's
    /// meanwhile.
    fn a_connection_that_is_kept_longer_than_its_request_is_over(backend: Backend) {
        let builder = CoroutineTcpServer::builder(handler_fn(chat)).backend(backend).workers(2);
        let server = builder.server(Room::default()).bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut gone = connect(server.server_address());
        gone.send("alone\n").unwrap();
        assert_eq!(gone.read_line().unwrap(), "alone\n");
        gone.end().unwrap();
        assert_eq!(gone.read_to_end().unwrap(), b"", "its request has ended");
        eventually("its end", || server.active_requests() == 0);

        let mut clients: Vec<_> = (0..8).map(|_| connect(server.server_address())).collect();
        let room = server.server();
        room.trace.wait_for_several(1 + clients.len(), "joined");
        assert_eq!(room.say("to all\n"), 1, "the one that has gone");
        for client in &mut clients {
            assert_eq!(client.read_line().unwrap(), "to all\n");
        }
        // And from a coroutine of either worker.
        for client in &mut clients {
            client.send("still here\n").unwrap();
        }
        for client in &mut clients {
            for _ in 0..8 {
                assert_eq!(client.read_line().unwrap(), "still here\n");
            }
        }
        drop(clients);
        room.there.lock().clear();
        stop(server);
    }

    /// One coroutine for each direction of two connections.
    fn a_proxy_carries_both_directions_at_a_time(backend: Backend) {
        let echo = handler_fn(|request: &mut StreamRequest<'_>| {
            let mut buf = [0; 4096];
            let connection = request.connection();
            while let len @ 1.. = connection.recv(&mut buf)? {
                connection.send_all(&buf[..len])?;
            }
            Ok(())
        });
        let builder = CoroutineTcpServer::builder(echo).backend(backend).workers(2);
        let upstream = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let address = upstream.server_address().as_inet().unwrap();
        let proxy = handler_fn(move |request: &mut StreamRequest<'_>| {
            let mut there = net::TcpStream::connect(address)?;
            let mut back = there.try_clone()?;
            let client = Arc::clone(request.connection());
            let backwards = spawn(move || {
                let copied = io::copy(&mut back, &mut &*client);
                let _ = client.shutdown(Shutdown::Write);
                copied
            });
            io::copy(&mut request.rfile, &mut there)?;
            there.shutdown(Shutdown::Write)?;
            backwards.join().unwrap()?;
            Ok(())
        });
        let builder = CoroutineTcpServer::builder(proxy).backend(backend).workers(2);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        // More than all buffers on the way hold, so that neither direction can wait for the other.
        let data: Vec<u8> = (0..12_u32 << 20).map(|byte| byte.to_le_bytes()[1]).collect();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let address = server.server_address().as_inet().unwrap();
                    let client = std::net::TcpStream::connect(address).unwrap();
                    client.set_read_timeout(Some(2 * testkit::DEADLINE)).unwrap();
                    let sender = client.try_clone().unwrap();
                    let sent = scope.spawn(|| {
                        let mut sender = sender;
                        sender.write_all(&data).unwrap();
                        sender.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut received = Vec::new();
                    (&client).read_to_end(&mut received).unwrap();
                    sent.join().unwrap();
                    assert!(received == data, "{} of {} bytes", received.len(), data.len());
                });
            }
        });
        stop(server);
        stop(upstream);
    }
}
