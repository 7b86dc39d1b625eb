//! The server's own locks, which another thread may hold at the moment of a fork.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use socketserver::{ForkingTcpServer, Result, StreamRequest, handler_fn};
use testkit::{Connect, DEADLINE, alone};

static IS_OVER: AtomicBool = AtomicBool::new(false);

/// B19: a thread that asks the server something all the time holds its locks at most forks; no
/// child may wait for them.
#[test]
fn a_child_does_not_wait_for_the_servers_own_locks() {
    let _alone = alone();
    fn answer(request: &mut StreamRequest<'_>) -> Result {
        let is_stopped = request.shutdown_handle.is_requested();
        Ok(writeln!(request.wfile, "{is_stopped}")?)
    }
    let server = ForkingTcpServer::builder(handler_fn(answer))
        .allow_threads(true)
        .bind("127.0.0.1:0")
        .unwrap();
    let server = server.spawn().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !IS_OVER.load(Ordering::Relaxed) {
                std::hint::black_box(server.active_requests());
                std::hint::black_box(server.is_closed());
            }
        });
        let connect = Connect::Tcp(server.server_address().as_inet().unwrap());
        let answers = (0..50).map(|_| connect.connect()?.read_to_end());
        let mut wrong = answers.map(|answer| answer.map_err(|error| error.to_string()));
        let wrong = wrong.find(|answer| answer.as_deref() != Ok(b"false\n"));
        IS_OVER.store(true, Ordering::Relaxed);
        assert_eq!(wrong, None);
    });
    let report = server.stop(Some(DEADLINE)).unwrap();
    assert!(report.is_complete(), "{report:?}");
}
