//! On which of several workers a request runs.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::thread;

use socketserver::mixin::Backend;
use socketserver::{CoroutineTcpServer, StreamRequest, handler_fn};
use testkit::{Client, DEADLINE, eventually};

use crate::noting::{connect, stop};
use crate::on_each_backend;

/// Tells on which thread it runs, and stays until its client goes.
fn stay(request: &mut StreamRequest<'_>) -> socketserver::Result {
    writeln!(request.wfile, "{:?}", thread::current().id())?;
    request.wfile.flush()?;
    request.rfile.read_line(&mut String::new())?;
    Ok(())
}

/// So many more clients, by the thread that serves them.
fn come(
    server: &socketserver::Address,
    count: usize,
    clients: &mut HashMap<String, Vec<Client>>,
) -> HashMap<String, usize> {
    let mut new = HashMap::new();
    for _ in 0..count {
        let mut client = connect(server);
        let thread = client.read_line().unwrap();
        *new.entry(thread.clone()).or_default() += 1;
        clients.entry(thread).or_default().push(client);
    }
    new
}

on_each_backend! {
    /// Two workers share forty clients who stay; and who comes when those of one have left is
    /// served by that one, for it has the fewest.
    fn new_connections_go_where_the_fewest_live(backend: Backend) {
        let server = CoroutineTcpServer::builder(handler_fn(stay)).workers(2).backend(backend);
        let server = server.bind("127.0.0.1:0").unwrap().spawn().unwrap();
        let mut clients = HashMap::new();
        let shares = come(server.server_address(), 40, &mut clients);
        assert_eq!(shares.len(), 2, "{shares:?}");
        // A little more on one than on the other costs less than to hand a connection over.
        assert!(shares.values().all(|share| *share >= 15), "{shares:?}");

        let (leaver, leaving) = clients.iter_mut().next().unwrap();
        let leaver = leaver.clone();
        let stayed = 40 - leaving.len();
        leaving.clear();
        eventually("their ends", || server.mixin().coroutines() == stayed);
        let shares = come(server.server_address(), 8, &mut clients);
        assert_eq!(shares, HashMap::from([(leaver, 8)]));
        clients.clear();
        stop(server);
    }

    /// A request that a caller's own turn takes goes to the worker with the fewest, too.
    fn handle_request_hands_on_to_the_one_with_the_fewest(backend: Backend) {
        let builder = CoroutineTcpServer::builder(handler_fn(stay)).workers(2).backend(backend);
        let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
        let mut shares = HashMap::<_, usize>::new();
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = connect(server.server_address());
            server.handle_request().unwrap();
            *shares.entry(client.read_line().unwrap()).or_default() += 1;
            clients.push(client);
        }
        assert_eq!(shares.values().copied().collect::<Vec<_>>(), [4, 4]);
        drop(clients);
        assert!(server.server_close(Some(DEADLINE)));
    }
}
