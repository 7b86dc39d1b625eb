//! Making servers, stopping and closing them.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

use socketserver::{StreamRequest, TcpServer, ThreadingTcpServer, handler_fn};
use testkit::{alone, descriptors, within_deadline};

fn nothing(_: &mut StreamRequest<'_>) -> socketserver::Result {
    Ok(())
}

/// Original: of twenty servers, each on a thread that has just been started, each is stopped by a
/// `shutdown` that comes at once, and every thread ends. A31.
#[test]
fn test_shutdown() {
    let _alone = alone();
    within_deadline(|| {
        let bind = || TcpServer::bind("127.0.0.1:0", handler_fn(nothing)).unwrap();
        let servers: Vec<_> = (0..20).map(|_| Arc::new(bind())).collect();
        let serve = |server: &Arc<TcpServer<_>>| {
            let serving = Arc::clone(server);
            let thread = thread::spawn(move || serving.serve_forever());
            server.shutdown();
            thread
        };
        let threads: Vec<_> = servers.iter().map(serve).collect();
        for (thread, server) in threads.into_iter().zip(servers) {
            thread.join().unwrap().unwrap();
            assert!(server.server_close(None));
        }
    });
}

/// Original: a threading server that has never served can be closed. A67.
#[test]
fn test_close_immediately() {
    let _alone = alone();
    let server = ThreadingTcpServer::bind("127.0.0.1:0", handler_fn(nothing)).unwrap();
    assert!(within_deadline(move || server.server_close(None)));
}

/// Original: 1024 servers whose address cannot be bound all raise and leave no descriptor. A port
/// of -1 is no port here, so the address is one that is taken. A14.
#[test]
fn test_tcpserver_bind_leak() {
    let _alone = alone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let before = descriptors();
    for _ in 0..1024 {
        let error = TcpServer::bind(address, handler_fn(nothing)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
    assert_eq!(descriptors(), before);
}

/// Original: at the end of a `with` the listening socket is closed. Here at the end of the scope
/// that has the server. A20.
#[test]
fn test_context_manager() {
    let _alone = alone();
    let (number, address) = {
        let server = TcpServer::bind("127.0.0.1:0", handler_fn(nothing)).unwrap();
        assert!(descriptors().contains_key(&server.as_raw_fd()));
        (server.as_raw_fd(), server.server_address().as_inet().unwrap())
    };
    assert!(!descriptors().contains_key(&number));
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
