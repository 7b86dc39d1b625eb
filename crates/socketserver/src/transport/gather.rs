//! Replies that are gathered and sent together.
//!
//! While a [`Scope`] is open on a thread, the packets of UDP servers put what is sent into the
//! thread's outbox; the end of the scope sends it. Whoever opens one must end it before the thread
//! waits for anything: no reply is held back meanwhile.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use socketserver_sys::datagram::Outbox;

use super::datagram_socket::Home;
use super::packet::SEND_TIMEOUT;
use super::udp::route;
use super::{Packet, PacketSocket};
use crate::address::Address;
use crate::wait::{Interest, wait};

/// The longest reply that is gathered: what it costs to copy a longer one is not made up for.
const LONGEST: usize = 16 * 1024;

/// How much is gathered at the most, in calls to the kernel and in bytes.
const MOST_MESSAGES: usize = 128;
const MOST_BYTES: usize = 256 * 1024;

/// A reply that was gathered, so that `send_to` returned well, and could not be sent.
#[derive(Debug)]
#[allow(dead_code, reason = "for those who open scopes")]
pub(crate) struct Unsent {
    /// To whom.
    pub(crate) address: Address,
    /// Why.
    pub(crate) error: io::Error,
}

/// What one thread has gathered.
#[derive(Debug, Default)]
struct Gathered {
    outbox: Outbox,
    /// Whose packets they answer; `None` if there is nothing.
    of: Option<(Arc<Home>, Arc<dyn PacketSocket>)>,
    unsent: Vec<Unsent>,
}

thread_local! {
    /// How many scopes are open.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static GATHERED: RefCell<Gathered> = RefCell::default();
}

/// Replies of this thread are gathered while it lives.
#[derive(Debug)]
#[must_use = "replies are gathered while it lives"]
pub(crate) struct Scope {
    /// It is the thread's that made it.
    not_send: std::marker::PhantomData<*const ()>,
}

/// Gathers the replies of this thread from now on.
#[allow(dead_code, reason = "for those who open scopes")]
pub(crate) fn begin() -> Scope {
    DEPTH.set(DEPTH.get() + 1);
    Scope { not_send: std::marker::PhantomData }
}

impl Scope {
    /// Sends what was gathered, and goes on gathering. Returns what could not be sent.
    #[allow(dead_code, reason = "for those who open scopes")]
    pub(crate) fn flush(&self) -> Vec<Unsent> {
        flush();
        GATHERED.with_borrow_mut(|gathered| std::mem::take(&mut gathered.unsent))
    }

    /// Sends what was gathered. Returns what could not be sent.
    #[allow(dead_code, reason = "for those who open scopes")]
    pub(crate) fn end(self) -> Vec<Unsent> {
        self.flush()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        flush();
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Forgets, in a forked child, what is its parent's to send.
pub(super) fn abandon() {
    GATHERED.with_borrow_mut(|gathered| {
        gathered.outbox.clear();
        gathered.of = None;
    });
}

/// Gathers a reply; returns whether it did, or it must be sent at once.
pub(super) fn queue(packet: &Packet, data: &[u8], address: &Address) -> bool {
    if DEPTH.get() == 0 {
        return false;
    }
    let Some(home) = packet.home.upgrade().filter(|home| home.gathers()) else { return false };
    let Some(address) = address.as_inet() else { return false };
    let is_of_another = GATHERED.with_borrow(|gathered| {
        gathered.of.as_ref().is_some_and(|(other, _)| !Arc::ptr_eq(other, &home))
    });
    // What is sent at once must not overtake what was gathered.
    if is_of_another || data.len() > LONGEST {
        flush();
    }
    if data.len() > LONGEST {
        return false;
    }
    let (to, source) = route(address, packet.destination);
    let is_full = GATHERED.with_borrow_mut(|gathered| {
        gathered.outbox.push(data, to, source, home.trains.longest());
        gathered.of.get_or_insert_with(|| (home, Arc::clone(packet.socket())));
        let outbox = &gathered.outbox;
        outbox.len() >= MOST_MESSAGES || outbox.bytes() >= MOST_BYTES
    });
    if is_full {
        flush();
    }
    true
}

/// Sends what this thread has gathered.
fn flush() {
    // Taken out meanwhile, so that nothing is borrowed while it is waited for room.
    let (mut outbox, of) = GATHERED
        .with_borrow_mut(|gathered| (std::mem::take(&mut gathered.outbox), gathered.of.take()));
    let mut unsent = Vec::new();
    if let Some((home, socket)) = of {
        send(&mut outbox, socket.as_fd(), &home, &mut unsent);
    }
    GATHERED.with_borrow_mut(|gathered| {
        gathered.unsent.append(&mut unsent);
        if gathered.of.is_none() {
            gathered.outbox = outbox;
        }
    });
}

fn send(outbox: &mut Outbox, socket: BorrowedFd<'_>, home: &Home, unsent: &mut Vec<Unsent>) {
    while let Err(error) = outbox.send(socket) {
        let error = match error.kind() {
            io::ErrorKind::Interrupted => continue,
            // The device is busy, and will not be so for long.
            io::ErrorKind::WouldBlock if wait_for_room(socket) => continue,
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        };
        if let Some(train) = outbox.front().filter(|front| front.segments > 1)
            && let Some(for_their_size) = refuses_trains(&error)
        {
            home.trains.refused(train.segment, for_their_size);
            outbox.split();
        } else if let Some(lost) = outbox.skip() {
            unsent.push(Unsent { address: lost.to.into(), error });
        }
    }
}

fn wait_for_room(socket: BorrowedFd<'_>) -> bool {
    let deadline = Instant::now() + SEND_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match wait([(Some(socket), Interest::Write)], Some(left)) {
            Ok([true]) => return true,
            // A signal came.
            Ok([false]) if !left.is_zero() => {}
            _ => return false,
        }
    }
}

/// Whether `error` may mean that a train cannot be sent, although its datagrams can; and if so,
/// whether that may be for their size.
fn refuses_trains(error: &io::Error) -> Option<bool> {
    use socketserver_sys::errno::{EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP};
    match error.raw_os_error()? {
        EIO | ENOPROTOOPT | EOPNOTSUPP => Some(false),
        EINVAL | EMSGSIZE => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::WouldBlock;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::sync::Arc;
    use std::time::Duration;

    use socketserver_sys::datagram::refuse_trains;
    use socketserver_sys::descriptor::{Interest, wait};

    use super::{LONGEST, begin};
    use crate::address::Address;
    use crate::transport::{DatagramSocket, Packet, ServerBind, Transport, Udp};

    /// A server's socket, a client, and a packet that the client has sent.
    fn pair() -> (DatagramSocket<UdpSocket>, UdpSocket, Arc<Packet>, Address) {
        let udp = Udp::default();
        let server = udp.server_bind("127.0.0.1:0").unwrap();
        udp.server_activate(&server).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.connect(server.socket().local_addr().unwrap()).unwrap();
        client.send(b"hello").unwrap();
        wait([(Some(server.as_fd()), Interest::Read)], None).unwrap();
        let (packet, address) = udp.get_request(&server).unwrap();
        (server, client, packet, address)
    }

    fn lens(client: &UdpSocket, count: usize) -> Vec<usize> {
        let mut buffer = [0; 32 * 1024];
        (0..count).map(|_| client.recv(&mut buffer).unwrap()).collect()
    }

    fn is_silent(client: &UdpSocket) -> bool {
        client.set_nonblocking(true).unwrap();
        let silent = client.recv(&mut [0]).is_err_and(|error| error.kind() == WouldBlock);
        client.set_nonblocking(false).unwrap();
        silent
    }

    #[test]
    fn replies_go_when_the_scope_ends_and_not_before() {
        let (server, client, packet, address) = pair();
        let scope = begin();
        for reply in ["one", "two", "", "four"] {
            assert_eq!(packet.send_to(reply.as_bytes(), &address).unwrap(), reply.len());
        }
        assert!(is_silent(&client));
        assert!(scope.end().is_empty());
        assert_eq!(lens(&client, 4), [3, 3, 0, 4]);
        // Without a scope they go at once.
        packet.send_to(b"five!", &address).unwrap();
        assert_eq!(lens(&client, 1), [5]);
        assert!(server.sends_trains());
    }

    #[test]
    fn an_inner_scope_sends_and_the_outer_goes_on() {
        let (_server, client, packet, address) = pair();
        let outer = begin();
        let inner = begin();
        packet.send_to(b"one", &address).unwrap();
        drop(inner);
        assert_eq!(lens(&client, 1), [3]);
        packet.send_to(b"four", &address).unwrap();
        assert!(is_silent(&client));
        drop(outer);
        assert_eq!(lens(&client, 1), [4]);
    }

    #[test]
    fn a_reply_too_long_to_gather_does_not_overtake() {
        let (_server, client, packet, address) = pair();
        let scope = begin();
        packet.send_to(b"short", &address).unwrap();
        packet.send_to(&[0; LONGEST + 1], &address).unwrap();
        assert_eq!(lens(&client, 2), [5, LONGEST + 1]);
        // EMSGSIZE
        let error = packet.send_to(&[0; 70_000], &address).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(90));
        assert!(scope.end().is_empty());
    }

    #[test]
    fn replies_of_two_servers_leave_from_their_own_sockets() {
        let (_one, client, packet, address) = pair();
        let (_other, others, of_other, at_other) = pair();
        let scope = begin();
        packet.send_to(b"one", &address).unwrap();
        of_other.send_to(b"other", &at_other).unwrap();
        packet.send_to(b"again", &address).unwrap();
        assert!(scope.end().is_empty());
        assert_eq!((lens(&client, 2), lens(&others, 1)), (vec![3, 5], vec![5]));
    }

    #[test]
    fn what_could_not_be_sent_is_told_and_the_rest_goes() {
        let (_server, client, packet, address) = pair();
        let nowhere = Address::from("[::1]:9".parse::<std::net::SocketAddr>().unwrap());
        let scope = begin();
        packet.send_to(b"one", &address).unwrap();
        packet.send_to(b"lost", &nowhere).unwrap();
        packet.send_to(b"three", &address).unwrap();
        let unsent = scope.end();
        assert_eq!(lens(&client, 2), [3, 5]);
        assert_eq!(unsent.len(), 1, "{unsent:?}");
        assert_eq!(unsent[0].address, nowhere);
        // EAFNOSUPPORT
        assert_eq!(unsent[0].error.raw_os_error(), Some(97));
    }

    #[test]
    fn what_nobody_gathered_can_be_more_than_fits() {
        let (_server, client, packet, address) = pair();
        let scope = begin();
        for len in 0..super::MOST_MESSAGES + 7 {
            packet.send_to(&vec![0; len], &address).unwrap();
        }
        // Each is longer than the one before, so none joins a train.
        assert_eq!(lens(&client, super::MOST_MESSAGES)[100], 100);
        assert!(is_silent(&client));
        drop(scope);
        assert_eq!(lens(&client, 7)[6], super::MOST_MESSAGES + 6);
    }

    #[test]
    fn a_socket_that_refuses_trains_sends_one_by_one_and_tells_once() {
        let (server, client, packet, address) = pair();
        refuse_trains(server.as_fd()).unwrap();
        assert_eq!(server.take_fallback(), None);
        for _ in 0..2 {
            let scope = begin();
            for _ in 0..9 {
                packet.send_to(b"reply", &address).unwrap();
            }
            assert!(scope.end().is_empty());
            assert_eq!(lens(&client, 9), [5; 9]);
            assert!(!server.sends_trains());
        }
        assert_eq!(server.take_fallback(), Some("UDP_SEGMENT"));
        assert_eq!(server.take_fallback(), None);
    }
}
