//! The events of the server itself.

use std::sync::Arc;

use socketserver::observe::Event;
use socketserver::{
    Address, Result, StreamRequest, TcpServer, ThreadingUnixStreamServer, handler_fn,
};
use testkit::{Trace, alone, socket_path};

use crate::noting::stop;

fn nothing(_: &mut StreamRequest<'_>) -> Result {
    Ok(())
}

/// Takes note of where the server is, and of nothing else.
fn observer(trace: &Arc<Trace>) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let trace = Arc::clone(trace);
    move |event| match event {
        Event::Listening { server_address, .. } => trace.note(format!("at {server_address}")),
        Event::Closed { server_address, .. } => trace.note(format!("was at {server_address}")),
        event => trace.note(format!("{event:?}")),
    }
}

fn both(address: &Address) -> [String; 2] {
    [format!("at {address}"), format!("was at {address}")]
}

/// Once each, however often and from wherever it is closed, with the port that it really had.
#[test]
fn the_servers_beginning_and_its_end_are_told_once() {
    let _alone = alone();
    let trace = Arc::new(Trace::new());
    let builder = TcpServer::builder(handler_fn(nothing)).observer(observer(&trace));
    let server = builder.bind("127.0.0.1:0").unwrap();
    let address = server.server_address().clone();
    assert_eq!(trace.texts(), [both(&address)[0].clone()]);
    server.server_close(None);
    server.server_close(None);
    drop(server);
    assert_eq!(trace.texts(), both(&address));
}

/// B3: serving and stopping is neither.
#[test]
fn a_server_that_serves_twice_begins_and_ends_once() {
    let _alone = alone();
    let path = socket_path();
    let trace = Arc::new(Trace::new());
    let builder = ThreadingUnixStreamServer::builder(handler_fn(nothing));
    let server = builder.observer(observer(&trace)).bind(&path).unwrap();
    let address = server.server_address().clone();
    for _ in 0..2 {
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            // Before its loop or in it, that is the same.
            server.shutdown_handle().request_shutdown();
            server.shutdown();
            // After the first loop has ended, a request that comes before the second is nothing.
            while !serving.is_finished() {
                server.shutdown();
                std::thread::yield_now();
            }
            serving.join().unwrap().unwrap();
        });
    }
    assert_eq!(trace.texts(), [both(&address)[0].clone()]);
    stop(server.spawn().unwrap());
    assert_eq!(trace.texts(), both(&address));
}

/// A14: nor is one that never came to be.
#[test]
fn a_server_that_is_not_made_tells_nothing() {
    let _alone = alone();
    let trace = Arc::new(Trace::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let builder = TcpServer::builder(handler_fn(nothing)).observer(observer(&trace));
    builder.bind(taken.local_addr().unwrap()).unwrap_err();
    let builder = TcpServer::builder(handler_fn(nothing)).observer(observer(&trace));
    drop(builder.server_bind("127.0.0.1:0").unwrap());
    assert_eq!(trace.texts(), [""; 0]);
}
