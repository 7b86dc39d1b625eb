//! `Transport::open`: what talks to the client before the handler does, and where.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use socketserver::mixin::Threading;
use socketserver::transport::{Connection, Tcp, Transport, Wrap};
use socketserver::{
    Address, BaseServer, Failure, RequestError, Result, Server, StreamRequest, handler_fn,
};
use testkit::{Connect, DEADLINE, alone};

/// A stream that begins with a handshake: the client's line of greeting.
#[derive(Default)]
struct Greeted {
    tcp: Tcp,
}

impl Wrap for Greeted {
    type Inner = Tcp;

    fn inner(&self) -> &Tcp {
        &self.tcp
    }

    fn open(
        &self,
        request: &Arc<TcpStream>,
        client_address: &mut Address,
    ) -> Result<Arc<dyn Connection>> {
        let mut greeting = [0; 6];
        (&**request).read_exact(&mut greeting)?;
        if &greeting != b"HELLO\n" {
            return Err("that is no greeting".into());
        }
        *client_address = Address::Other("somebody polite".into());
        self.tcp.open(request, client_address)
    }
}

/// Answers on the connection of a request that could not be opened.
struct Explaining;

impl BaseServer<Greeted> for Explaining {
    fn handle_error(&self, error: &RequestError, client_address: &Address) {
        assert!(matches!(error.failure(), Failure::Open(_)), "{error:?}");
        assert!(client_address.as_inet().is_some(), "{client_address}");
        let _ = error.connection().unwrap().send_all(b"greet first\n");
    }
}

fn introduce(request: &mut StreamRequest<'_, Explaining>) -> Result {
    let thread = thread::current().name().unwrap_or_default().to_owned();
    assert!(thread.starts_with("socketserver-"), "the handshake was on {thread}");
    Ok(request.connection().send_all(format!("{}\n", request.client_address).as_bytes())?)
}

/// B7, B27: a client that is silent in the handshake holds up nobody else, one that fails it is told
/// to `handle_error`, and who passes has the address that the handshake says.
#[test]
fn a_handshake_is_on_the_requests_own_thread() {
    let _alone = alone();
    let server = Server::<Greeted, Threading, _>::builder(handler_fn(introduce))
        .server(Explaining)
        .bind("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let connect = Connect::Tcp(server.server_address().as_inet().unwrap());
    let silent = connect.connect().unwrap();
    let rude = connect.connect().unwrap();
    assert_eq!(rude.exchange("GOOD MORNING\n").unwrap(), b"greet first\n");
    let polite = connect.connect().unwrap();
    assert_eq!(polite.exchange("HELLO\n").unwrap(), b"somebody polite\n");
    drop(silent);
    assert!(server.stop(Some(DEADLINE)).unwrap().is_complete());
}
