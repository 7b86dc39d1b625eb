//! Bad clients of every kind, one after another and all at once.

use std::time::Duration;

use socketserver::{
    Address, TcpServer, ThreadingTcpServer, ThreadingUnixStreamServer, UnixStreamServer,
};
use testkit::{Client, alone, eventually, socket_path, within_deadline};

use crate::Echo;
use crate::common::{
    EpollTcpServer, EpollUnixStreamServer, IoUringTcpServer, IoUringUnixStreamServer,
};
use crate::noting::{Noting, connect, stop};

/// What a client does, and then is gone or is kept.
const DEEDS: [fn(Client) -> Option<Client>; 8] = [
    // Leaves at once.
    |_| None,
    // Resets at once.
    |client| {
        client.reset().unwrap();
        None
    },
    // Resets in the middle of a line.
    |mut client| {
        client.send("half a li").unwrap();
        client.reset().unwrap();
        None
    },
    // Ends in the middle of a line, and does not look at the reply.
    |mut client| {
        client.send("half a li").unwrap();
        client.end().unwrap();
        None
    },
    // Asks, and leaves before the reply.
    |mut client| {
        client.send("what?\n".repeat(1000)).unwrap();
        None
    },
    // Sends what is no text.
    |mut client| {
        client.send([0xff, b'\n']).unwrap();
        None
    },
    // Says nothing.
    Some,
    // Begins a line, and says no more.
    |mut client| {
        client.send("half a li").unwrap();
        Some(client)
    },
];

/// What each server gets.
const ROUNDS: usize = 5;

fn send_bad_clients(address: &Address) {
    let mut kept = Vec::new();
    for _ in 0..ROUNDS {
        for deed in DEEDS {
            kept.extend(deed(connect(address)));
        }
    }
    // They are kept for as long as it takes: the server lets go of them, and not they of it.
    for mut client in kept {
        let _ = client.read_to_end();
    }
}

/// Whatever clients do, on one thread or several, nothing is left of them and the next is served.
#[test]
fn after_bad_clients_of_every_kind_the_next_is_served() {
    let _alone = alone();
    let path = socket_path();
    let handler = || Echo { timeout: Some(Duration::from_millis(20)) };
    macro_rules! check {
        ($alias:ident, $address:expr) => {
            let builder = $alias::builder(handler).server(Noting::default());
            let server = builder.linger(Duration::from_millis(20)).bind($address).unwrap();
            let server = server.spawn().unwrap();
            let address = server.server_address().clone();
            within_deadline(move || send_bad_clients(&address));
            // Its timeout is short, so a good client may have to try again.
            eventually("a client that is served", || {
                let reply = connect(server.server_address()).exchange("hello\n");
                reply.is_ok_and(|reply| reply == b"hello\n")
            });
            eventually("the end of all requests", || server.active_requests() == 0);
            stop(server);
        };
    }
    check!(ThreadingTcpServer, "127.0.0.1:0");
    check!(EpollTcpServer, "127.0.0.1:0");
    check!(IoUringTcpServer, "127.0.0.1:0");
    check!(ThreadingUnixStreamServer, &path);
    check!(EpollUnixStreamServer, &path);
    check!(IoUringUnixStreamServer, &path);
    check!(TcpServer, "127.0.0.1:0");
    check!(UnixStreamServer, &path);
}
