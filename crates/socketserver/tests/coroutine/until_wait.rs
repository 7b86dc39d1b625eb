//! What is written goes out when the handler waits: in few pieces, and never later.

use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use socketserver::mixin::{Backend, Coroutine, MixIn, Synchronous, Threading};
use socketserver::sync::{Mutex, Receiver, unbounded_channel};
use socketserver::transport::Tcp;
use socketserver::{
    CoroutineTcpServer, HandlerFn, Pending, Result, Server, StreamRequest, handler_fn, net, sleep,
    spawn,
};
use testkit::{DEADLINE, alone};

use crate::noting::{Counting, connect, stop};
use crate::on_each_backend;

fn echo_lines(request: &mut StreamRequest<'_, Counting>) -> Result {
    let StreamRequest { rfile, wfile, .. } = request;
    for line in rfile.lines() {
        writeln!(wfile, "{}", line?)?;
    }
    Ok(())
}

/// What the replies to a burst of sixteen lines were sent in.
fn sends_for_a_burst<M: MixIn<Pending<Tcp, Counting>> + Send + Sync + 'static>(
    mixin: M,
) -> Vec<String> {
    let counting = Counting::default();
    let handler: fn(&mut StreamRequest<'_, Counting>) -> Result = echo_lines;
    let server = Server::<Tcp, Synchronous, HandlerFn<_>>::builder(move || HandlerFn::new(handler))
        .mixin(mixin)
        .server(counting.clone())
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let burst: String = (0..16).map(|number| format!("line {number}\n")).collect();
    let mut client = connect(server.server_address());
    client.send(&burst).unwrap();
    assert_eq!(client.read_exactly(burst.len()).unwrap(), burst.as_bytes());
    drop(client);
    stop(server);
    counting.sent()
}

/// What a handler may wait for while its client waits for the reply.
#[derive(Clone)]
enum Way {
    Sleep,
    Mutex(Arc<Mutex<()>>),
    Channel(Arc<Mutex<Receiver<()>>>),
    Connection(Arc<Mutex<UnixStream>>),
    Child,
}

impl Way {
    /// Waits, until the client has had its reply.
    fn wait(&self) -> Result {
        match self {
            Self::Sleep => sleep(Duration::from_millis(600_000)),
            Self::Mutex(mutex) => drop(mutex.lock()),
            Self::Channel(receiver) => drop(receiver.lock().recv()),
            Self::Connection(other) => {
                let other = other.lock().try_clone()?;
                net::UnixStream::from(other).read_exact(&mut [0])?;
            }
            Self::Child => drop(spawn(|| sleep(Duration::from_millis(600_000))).join()),
        }
        Ok(())
    }
}

/// A handler that answers, and then waits; the client must have the reply before it is released.
fn is_answered_before(backend: Backend, way: &Way, release: impl FnOnce()) {
    let waits = way.clone();
    let handler = handler_fn(move |request: &mut StreamRequest<'_>| {
        let mut line = String::new();
        request.rfile.read_line(&mut line)?;
        request.wfile.write_all(line.as_bytes())?;
        waits.wait()?;
        Ok(request.wfile.write_all(b"after\n")?)
    });
    let builder = CoroutineTcpServer::builder(handler).backend(backend).workers(1);
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut client = connect(server.server_address());
    client.send("before\n").unwrap();
    assert_eq!(client.read_line().unwrap(), "before\n");
    release();
    let is_cut = matches!(way, Way::Sleep | Way::Child);
    if is_cut {
        assert_eq!(server.drain(Some(Duration::ZERO)).cut.len(), 1);
    } else {
        assert_eq!(client.read_line().unwrap(), "after\n");
    }
    server.stop(Some(DEADLINE)).unwrap();
}

on_each_backend! {
    /// A10: a burst that came together is answered in one piece.
    fn a_burst_of_lines_is_answered_with_one_send(backend: Backend) {
        let mut coroutine = Coroutine::default();
        coroutine.backend = backend;
        let sent = sends_for_a_burst(coroutine);
        assert_eq!(sent.len(), 1, "{sent:?}");
    }

    /// A10: whatever the handler waits for, its client has the reply.
    fn no_reply_is_held_back_while_the_handler_waits(backend: Backend) {
        is_answered_before(backend, &Way::Sleep, || {});
        is_answered_before(backend, &Way::Child, || {});

        let mutex = Arc::new(Mutex::new(()));
        let held = mutex.lock();
        is_answered_before(backend, &Way::Mutex(Arc::clone(&mutex)), || drop(held));

        let (sender, receiver) = unbounded_channel();
        let channel = Way::Channel(Arc::new(Mutex::new(receiver)));
        is_answered_before(backend, &channel, || sender.send(()).unwrap());

        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let connection = Way::Connection(Arc::new(Mutex::new(ours)));
        is_answered_before(backend, &connection, || theirs.write_all(b"x").unwrap());
    }
}

/// A10, A85: elsewhere each write goes out at once.
#[test]
fn threads_send_each_write_at_once() {
    let _alone = alone();
    assert_eq!(sends_for_a_burst(Threading::default()).len(), 16);
    assert_eq!(sends_for_a_burst(Synchronous::default()).len(), 16);
}
