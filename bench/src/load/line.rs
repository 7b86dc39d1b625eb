//! A connection for each line, from one client or from several at once.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{LINE, check, compare, connect, line};
use crate::Result;

pub(super) fn run(
    address: SocketAddr,
    clients: usize,
    numbers: Range<usize>,
    deadline: Instant,
) -> Result<()> {
    let next = AtomicUsize::new(numbers.start);
    let client = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            check(deadline)?;
            request(address, number)?;
        }
    };
    if clients == 1 {
        return client();
    }
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client panicked")?)
    })
}

fn request(address: SocketAddr, number: usize) -> Result<()> {
    let mut stream = connect(address)?;
    stream.write_all(&line(number))?;
    let mut reply = [0; LINE];
    stream.read_exact(&mut reply)?;
    compare(number, &reply)
}
