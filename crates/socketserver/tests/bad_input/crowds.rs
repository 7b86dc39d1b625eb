//! Very many clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use socketserver::{Address, TcpServer, ThreadingTcpServer, ThreadingUnixStreamServer};
use testkit::{alone, descriptors, eventually, socket_path, threads};

use crate::Echo;
use crate::common::{
    EpollTcpServer, EpollUnixStreamServer, IoUringTcpServer, IoUringUnixStreamServer,
};
use crate::noting::{connect, stop};

/// How much memory this process has in use, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

fn one_after_another(address: &Address, count: usize) {
    for number in 0..count {
        let line = format!("{number}\n");
        let mut client = connect(address);
        client.send(&line).unwrap();
        assert_eq!(client.read_line().unwrap(), line);
        // Instead of an end, so that no port waits in TIME_WAIT for a minute.
        client.reset().unwrap();
    }
}

/// B12: a descriptor, a thread or a piece of memory for each would be seen.
#[test]
fn ten_thousand_clients_one_after_another_leak_nothing() {
    let _alone = alone();
    let path = socket_path();
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let builder = $alias::builder(Echo::default).server(crate::noting::Noting::default());
            let server = builder.bind($address).unwrap().spawn().unwrap();
            let address = server.server_address();
            let quiet = || {
                eventually("quiet", || {
                    // The notes of disconnects are taken out of their pipe.
                    server.server().trace.clear();
                    server.active_requests() == 0
                })
            };
            for _ in 0..10 {
                one_after_another(address, 100);
                quiet();
            }
            let (open, used) = (descriptors().len(), resident());
            for _ in 0..100 {
                one_after_another(address, 100);
                quiet();
            }
            assert_eq!(descriptors().len(), open);
            // Threads of finished requests are used again; a few more are made where one client
            // is quicker than the thread of the one before.
            assert!(threads().len() < 20, "{:?}", threads());
            let grown = resident().saturating_sub(used);
            assert!(grown < 4 * 1024 * 1024, "{grown} bytes");
            stop(server);
        };
    }
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(TcpServer, "127.0.0.1:0");
    check!(ThreadingUnixStreamServer, &path);
    check!(EpollUnixStreamServer, &path);
    check!(IoUringUnixStreamServer, &path);
}

/// Every one of them gets its own replies, with a thread for each and with far fewer.
#[test]
fn hundreds_of_clients_at_once_are_all_served() {
    let _alone = alone();
    const CLIENTS: usize = 300;
    for max_threads in [16, CLIENTS] {
        let builder = ThreadingTcpServer::builder(Echo::default).max_threads(max_threads);
        let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let (served, together) = (AtomicUsize::new(0), Arc::new(Barrier::new(CLIENTS)));
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (served, together) = (&served, &together);
                let address = server.server_address();
                scope.spawn(move || {
                    let client = connect(address);
                    // All are connected before any of them speaks.
                    together.wait();
                    let lines: String = (0..10).map(|line| format!("{number} {line}\n")).collect();
                    assert_eq!(client.exchange(&lines).unwrap(), lines.as_bytes());
                    served.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(served.load(Ordering::SeqCst), CLIENTS);
        stop(server);
    }
}
