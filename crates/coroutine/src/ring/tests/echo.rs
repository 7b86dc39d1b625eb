//! An echo server that is nothing but a ring.

use std::collections::HashMap;
use std::thread;

use super::*;

const CONNECTIONS: usize = 64;
const ROUNDS: u64 = 100;
const ACCEPT: u64 = u64::MAX;
const LINE: usize = 16;

struct Server {
    ring: Ring,
    sockets: HashMap<u64, TcpStream>,
    spare: Vec<Vec<u8>>,
    accepted: u64,
    echoed: u64,
}

impl Server {
    fn new(listener: &TcpListener, config: &Config) -> Self {
        let mut ring = ring(config);
        ring.accept_multi(listener, ACCEPT);
        let (sockets, spare) = (HashMap::new(), Vec::new());
        Self { ring, sockets, spare, accepted: 0, echoed: 0 }
    }

    /// Waits for something to happen, once, and does what follows.
    fn turn(&mut self) {
        self.ring.submit_and_wait(1, Some(DEADLINE)).unwrap();
        while let Some(completion) = self.ring.pop() {
            self.on(completion);
        }
    }

    fn on(&mut self, completion: Completion) {
        let (failure, token) = (code(&completion), completion.token);
        match completion.carried {
            Carried::Socket(socket, _) => {
                let socket = TcpStream::from(socket);
                // The replies come in pieces when the buffers are small.
                socket.set_nodelay(true).unwrap();
                self.accepted += 1;
                self.ring.recv_multi(&socket, self.accepted);
                self.sockets.insert(self.accepted, socket);
            }
            Carried::Buffer(buffer) if !buffer.is_empty() => {
                let socket = &self.sockets[&token];
                let mut reply = self.spare.pop().unwrap_or_default();
                reply.extend_from_slice(&buffer);
                let length = reply.len();
                self.ring.send(socket, reply, 0..length, token);
                if !completion.more {
                    self.ring.recv_multi(socket, token);
                }
            }
            Carried::Bytes(mut bytes) => {
                assert_eq!(completion.result.unwrap() as usize, bytes.len());
                self.echoed += bytes.len() as u64;
                bytes.clear();
                self.spare.push(bytes);
            }
            Carried::Buffer(_) | Carried::Nothing => match failure {
                None => self.ring.close(self.sockets.remove(&token).unwrap().into()),
                Some(libc::ENOBUFS) => _ = self.ring.recv_multi(&self.sockets[&token], token),
                Some(error) => panic!("{}", io::Error::from_raw_os_error(error)),
            },
        }
    }
}

fn connect(address: SocketAddr) -> Vec<TcpStream> {
    (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect()
}

fn line(round: u64, index: usize) -> [u8; LINE] {
    format!("{round:8}{index:8}").into_bytes().try_into().unwrap()
}

fn write(clients: &mut [TcpStream], round: u64) {
    for (index, client) in clients.iter_mut().enumerate() {
        client.write_all(&line(round, index)).unwrap();
    }
}

fn read(clients: &mut [TcpStream], round: u64) {
    for (index, client) in clients.iter_mut().enumerate() {
        let mut got = [0; LINE];
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.read_exact(&mut got).unwrap();
        assert_eq!(got, line(round, index));
    }
}

/// Sixty-four connections, each with a line under way at any time, so that the server never runs
/// dry and the calls are shared. It is deterministic, for one thread is the server and the clients.
#[test]
fn an_echo_costs_few_system_calls() {
    let _alone = alone();
    let listener = loopback();
    let mut server = Server::new(&listener, &Config::default());
    let mut clients = connect(listener.local_addr().unwrap());
    while server.accepted < CONNECTIONS as u64 {
        server.turn();
    }
    write(&mut clients, 0);
    let mut rounds = [0; CONNECTIONS];
    let before = server.ring.enters();
    while rounds.iter().sum::<u64>() < ROUNDS * CONNECTIONS as u64 {
        server.turn();
        for (index, (client, round)) in clients.iter_mut().zip(&mut rounds).enumerate() {
            client.set_nonblocking(true).unwrap();
            let mut got = [0; LINE];
            if client.read(&mut got).is_ok_and(|length| length == LINE) {
                assert_eq!(got, line(*round, index));
                *round += 1;
                client.write_all(&line(*round, index)).unwrap();
            }
        }
    }
    let calls = (server.ring.enters() - before) as f64;
    let per_echo = calls / rounds.iter().sum::<u64>() as f64;
    assert!(per_echo <= 0.06, "{per_echo} system calls for each echo");
    // As many as there were sends in flight at once, and no more.
    assert!(server.spare.len() <= CONNECTIONS);
}

/// Fewer buffers than connections: nothing is lost, only later.
#[test]
fn an_echo_works_with_two_buffers() {
    let _alone = alone();
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let mut clients = connect(address);
        for round in 0..ROUNDS {
            write(&mut clients, round);
            read(&mut clients, round);
        }
    });
    let config = Config { entries: 8, buffer_count: 2, buffer_size: 8 };
    let mut server = Server::new(&listener, &config);
    while server.accepted < CONNECTIONS as u64 || !server.sockets.is_empty() {
        server.turn();
    }
    assert_eq!(server.echoed, ROUNDS * (CONNECTIONS * LINE) as u64);
    client.join().unwrap();
}
