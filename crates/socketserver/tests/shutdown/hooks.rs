//! `shutdown` on the serving thread itself: in Python a deadlock.

use std::sync::OnceLock;

use socketserver::transport::Transport;
use socketserver::{
    Address, BaseServer, RequestError, ShutdownHandle, StreamRequest, TcpServer, handler_fn,
};
use testkit::{Connect, DEADLINE, within_deadline};

/// Which hook shuts the server down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    VerifyRequest,
    HandleError,
    ServiceActions,
}

/// A server that shuts itself down in one of its hooks.
struct Stopping {
    hook: In,
    handle: OnceLock<ShutdownHandle>,
}

impl Stopping {
    fn called(&self, hook: In) {
        if self.hook == hook {
            self.handle.get().unwrap().shutdown();
        }
    }
}

impl<T: Transport> BaseServer<T> for Stopping {
    fn verify_request(&self, _: &T::Request, _: &Address) -> bool {
        self.called(In::VerifyRequest);
        true
    }

    fn handle_error(&self, _: &RequestError, _: &Address) {
        self.called(In::HandleError);
    }

    fn service_actions(&self) {
        self.called(In::ServiceActions);
    }
}

/// The loop ends by itself, after the request at hand.
fn ends_in(hook: In) {
    let _alone = testkit::alone();
    let fail = handler_fn(|request: &mut StreamRequest<'_, Stopping>| {
        use std::io::Write;

        request.wfile.write_all(b"handled")?;
        Err("failed as asked".into())
    });
    let server = TcpServer::builder(fail)
        .server(Stopping { hook, handle: OnceLock::new() })
        .bind("127.0.0.1:0")
        .unwrap();
    server.server().handle.set(server.shutdown_handle()).unwrap();
    let address = server.server_address().as_inet().unwrap();
    let mut client = Connect::Tcp(address).connect().unwrap();
    let server = within_deadline(move || {
        server.serve_forever().unwrap();
        server
    });
    assert_eq!(client.read_to_end().unwrap(), b"handled", "the request at hand is not lost");
    assert!(!server.shutdown_handle().is_requested(), "nothing is left for the next loop");
    assert!(server.server_close(Some(DEADLINE)));
}

/// A33, B2.
#[test]
fn verify_request_shuts_its_server_down() {
    ends_in(In::VerifyRequest);
}

/// A33, B2.
#[test]
fn handle_error_shuts_its_server_down() {
    ends_in(In::HandleError);
}

/// A33, B2.
#[test]
fn service_actions_shuts_its_server_down() {
    ends_in(In::ServiceActions);
}
