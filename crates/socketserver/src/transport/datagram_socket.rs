use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socketserver_sys::datagram::{Inbox, Received, receive_trains};

use super::{Packet, PacketSocket};
use crate::address::Address;

/// How many packets are kept to be used again, and how long a datagram's memory may be for that.
const MOST_SPARE: usize = 256;
const MOST_SPARE_BYTES: usize = 4096;

/// A server's datagram socket, with the memory that it receives into.
#[derive(Debug)]
pub struct DatagramSocket<S> {
    pub(super) socket: Arc<S>,
    receiving: Mutex<Receiving>,
    home: Arc<Home>,
    reads_ahead: AtomicBool,
    /// Whether there are datagrams that were taken off the socket and not given yet.
    has_queued: AtomicBool,
    /// Whether the last look at the socket has found the end of what was there.
    is_drained: AtomicBool,
}

/// One for all, so that receiving a short datagram does not cost clearing 64 KiB.
#[derive(Debug, Default)]
struct Receiving {
    buffer: Vec<u8>,
    inbox: Option<Inbox>,
}

/// What a server's socket and the packets that came from it share.
#[derive(Debug)]
pub(super) struct Home {
    spare: Mutex<Vec<Arc<Packet>>>,
    /// Whether replies may be gathered.
    gathers: AtomicBool,
    pub(super) trains: Trains,
}

/// What the kernel does of trains: datagrams of one size that it takes and gives as one.
#[derive(Debug)]
pub(super) struct Trains {
    receives: AtomicBool,
    /// The longest datagrams that are sent as trains; zero if none are.
    longest: AtomicUsize,
    /// Whether a fall-back has not been told yet.
    untold: AtomicBool,
}

/// A server's own kind of datagram socket.
pub(super) trait Receive: PacketSocket + 'static {
    /// How the kernel names a sender.
    type Sender: Into<Address>;

    /// Whether the kernel may know trains of them.
    const IS_UDP: bool;

    /// Receives one datagram. Never waits.
    fn recv_one(&self, buffer: &mut [u8]) -> io::Result<Received<Self::Sender>>;

    /// The next datagram of a batch.
    fn next(inbox: &mut Inbox) -> Option<io::Result<Given<'_, Self::Sender>>>;
}

/// A datagram of a batch: its bytes, and what else was received.
pub(super) type Given<'a, A> = (&'a [u8], Received<A>);

impl<S> DatagramSocket<S> {
    /// The socket itself.
    pub fn socket(&self) -> &Arc<S> {
        &self.socket
    }

    /// Whether several datagrams that follow each other are received as one, for the kernel can
    /// (`UDP_GRO`, since Linux 5.0) and the server [reads ahead](Self::reads_ahead).
    pub fn receives_trains(&self) -> bool {
        self.home.trains.receives.load(Ordering::Relaxed)
    }

    /// Whether several replies of one size to one client are sent as one: until the kernel or the
    /// device refuses (`UDP_SEGMENT`, since Linux 4.18). Always `false` for Unix sockets.
    pub fn sends_trains(&self) -> bool {
        self.home.gathers() && self.home.trains.longest() > 0
    }

    /// Whether datagrams are taken off the socket in batches, before their handlers are ready
    /// for them.
    pub fn reads_ahead(&self) -> bool {
        self.reads_ahead.load(Ordering::Relaxed)
    }

    /// Says that replies never wait for their receivers, and so may be gathered.
    pub(super) fn gather_replies(&self) {
        self.home.gathers.store(true, Ordering::Relaxed);
    }

    /// Takes datagrams in batches from now on.
    ///
    /// Only for those who ask [`has_requests`](Self::has_requests) before they wait for the
    /// socket: what has been taken off it does not make it readable.
    pub(super) fn read_ahead(&self) {
        self.reads_ahead.store(true, Ordering::Relaxed);
    }

    /// Whether [`get_request`](Self::get_request) gives a datagram without looking at the socket.
    pub(super) fn has_requests(&self) -> bool {
        self.has_queued.load(Ordering::Acquire)
    }

    /// Whether the last look at the socket has found the end of what was there, so that what
    /// comes later makes it readable anew.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Acquire) && !self.has_requests()
    }

    /// What the kernel turned out not to be able to do; told once for each.
    pub(super) fn take_fallback(&self) -> Option<&'static str> {
        let trains = &self.home.trains;
        if !trains.untold.swap(false, Ordering::Relaxed) {
            return None;
        }
        Some(match (self.reads_ahead() && !self.receives_trains(), trains.longest()) {
            (true, 0) => "UDP_GRO and UDP_SEGMENT",
            (true, _) => "UDP_GRO",
            (false, _) => "UDP_SEGMENT",
        })
    }

    /// The next datagram, of which up to `limit` bytes are read. Never waits.
    pub(super) fn get_request(&self, limit: usize) -> io::Result<(Arc<Packet>, Address)>
    where
        S: Receive,
    {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        let Receiving { buffer, inbox } = &mut *receiving;
        if inbox.is_none() && self.reads_ahead() {
            *inbox = Some(Inbox::new(limit, self.receive_trains()));
        }
        let Some(inbox) = inbox else {
            if buffer.len() != limit {
                buffer.resize(limit, 0);
            }
            let received = self.socket.recv_one(buffer)?;
            let packet = self.packet(&buffer[..received.len], &received);
            return Ok((packet, received.sender.into()));
        };
        if inbox.is_empty() {
            // What stands there if it fails.
            self.is_drained.store(true, Ordering::Release);
            let is_all = inbox.recv(self.as_fd())?;
            self.is_drained.store(is_all, Ordering::Release);
        }
        let given = S::next(inbox).map(|given| {
            given.map(|(data, received)| (self.packet(data, &received), received.sender.into()))
        });
        self.has_queued.store(!inbox.is_empty(), Ordering::Release);
        given.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    fn receive_trains(&self) -> bool
    where
        S: Receive,
    {
        let receives = S::IS_UDP && receive_trains(self.as_fd()).is_ok();
        let trains = &self.home.trains;
        trains.receives.store(receives, Ordering::Relaxed);
        if S::IS_UDP && !receives {
            trains.untold.store(true, Ordering::Relaxed);
        }
        receives
    }

    /// A packet of `data`: one that was used before, if there is one.
    fn packet<A>(&self, data: &[u8], received: &Received<A>) -> Arc<Packet>
    where
        S: Receive,
    {
        while let Some(mut spare) = self.home.spare() {
            // It has an owner again if somebody has held on to it weakly.
            if let Some(packet) = Arc::get_mut(&mut spare) {
                packet.data.clear();
                packet.data.extend_from_slice(data);
                (packet.truncated, packet.destination) = (received.truncated, received.destination);
                return spare;
            }
        }
        let socket = Arc::clone(&self.socket) as Arc<dyn PacketSocket>;
        let mut packet = Packet::new(data.to_vec(), socket)
            .with_truncated(received.truncated)
            .with_destination(received.destination);
        packet.home = Arc::downgrade(&self.home);
        Arc::new(packet)
    }
}

impl Home {
    pub(super) fn gathers(&self) -> bool {
        self.gathers.load(Ordering::Relaxed)
    }

    fn spare(&self) -> Option<Arc<Packet>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a packet that nobody needs any more.
    pub(super) fn recycle(packet: Arc<Packet>) {
        // Its handler may have kept it, or handed it to another thread.
        if Arc::strong_count(&packet) > 1 || packet.data.capacity() > MOST_SPARE_BYTES {
            return;
        }
        let Some(home) = packet.home.upgrade() else { return };
        // In a forked child the lock may be held for ever, by a thread that is not there.
        if let Ok(mut spare) = home.spare.try_lock()
            && spare.len() < MOST_SPARE
        {
            spare.push(packet);
        }
    }
}

impl Trains {
    /// The longest datagrams that are sent as trains; zero if none are.
    pub(super) fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }

    /// Takes note that a train of datagrams of `len` bytes was refused.
    pub(super) fn refused(&self, len: usize, for_their_size: bool) {
        /// What fits into the frames of any network: shorter ones are not refused for their size.
        const FITS_ANYWHERE: usize = 1200;
        let longest = if for_their_size && len > FITS_ANYWHERE { len - 1 } else { 0 };
        let before = self.longest.fetch_min(longest, Ordering::Relaxed);
        if longest == 0 && before > 0 {
            self.untold.store(true, Ordering::Relaxed);
        }
    }
}

impl<S> From<S> for DatagramSocket<S> {
    fn from(socket: S) -> Self {
        let trains = Trains {
            receives: AtomicBool::new(false),
            longest: AtomicUsize::new(usize::MAX),
            untold: AtomicBool::new(false),
        };
        let home = Home { spare: Mutex::default(), gathers: AtomicBool::new(false), trains };
        Self {
            socket: Arc::new(socket),
            receiving: Mutex::default(),
            home: Arc::new(home),
            reads_ahead: AtomicBool::new(false),
            has_queued: AtomicBool::new(false),
            is_drained: AtomicBool::new(false),
        }
    }
}

impl<S: AsFd> AsFd for DatagramSocket<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::WouldBlock;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::sync::Arc;
    use std::time::Duration;

    use socketserver_sys::datagram::Outbox;
    use socketserver_sys::descriptor::{Interest, wait};

    use super::{DatagramSocket, Trains};
    use crate::transport::{Packet, ServerBind, Transport, Udp};

    fn server(udp: &Udp, address: &str) -> DatagramSocket<UdpSocket> {
        let server = udp.server_bind(address).unwrap();
        udp.server_activate(&server).unwrap();
        server
    }

    fn client(server: &DatagramSocket<UdpSocket>) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.socket().local_addr().unwrap().port();
        client.connect(("127.0.0.1", port)).unwrap();
        client
    }

    /// The next packet, waiting for it only if none was taken off the socket already.
    fn next(udp: &Udp, server: &DatagramSocket<UdpSocket>) -> Arc<Packet> {
        if !udp.has_requests(server) {
            let timeout = Some(Duration::from_secs(5));
            wait([(Some(server.as_fd()), Interest::Read)], timeout).unwrap();
        }
        udp.get_request(server).unwrap().0
    }

    #[test]
    fn what_was_read_ahead_is_given_one_by_one_in_order() {
        let udp = Udp::default();
        let server = server(&udp, "127.0.0.1:0");
        udp.read_ahead(&server);
        let client = client(&server);
        for number in 0..100_u8 {
            client.send(&[number]).unwrap();
        }
        let mut ahead = 0;
        for number in 0..100 {
            assert_eq!(next(&udp, &server).data(), [number]);
            ahead += usize::from(udp.has_requests(&server));
        }
        assert!(ahead > 50, "{ahead} of 100 were followed by another");
        assert_eq!(udp.get_request(&server).unwrap_err().kind(), WouldBlock);
        assert!(udp.is_drained(&server));
    }

    /// Nobody has to look at the socket for it.
    #[test]
    fn what_was_read_ahead_waits_for_whoever_asks_next() {
        let udp = Udp::default();
        let server = server(&udp, "127.0.0.1:0");
        udp.read_ahead(&server);
        let client = client(&server);
        client.send(b"one").unwrap();
        client.send(b"two").unwrap();
        assert_eq!(next(&udp, &server).data(), b"one");
        assert!(udp.has_requests(&server) && !udp.is_drained(&server));
        let [readable] =
            wait([(Some(server.as_fd()), Interest::Read)], Some(Duration::ZERO)).unwrap();
        assert!(!readable);
        std::thread::scope(|scope| {
            let two = scope.spawn(|| udp.get_request(&server).unwrap().0.data().to_vec());
            assert_eq!(two.join().unwrap(), b"two");
        });
        assert!(!udp.has_requests(&server));
    }

    #[test]
    fn a_train_comes_as_its_datagrams_each_with_where_it_came_to() {
        let udp = Udp { max_packet_size: 60, ..Udp::default() };
        let server = server(&udp, "0.0.0.0:0");
        udp.read_ahead(&server);
        let client = client(&server);
        // Makes it receive trains.
        assert_eq!(udp.get_request(&server).unwrap_err().kind(), WouldBlock);
        assert!(server.receives_trains());
        let mut outbox = Outbox::default();
        let lens = [50, 50, 70, 70, 70, 10];
        for len in lens {
            outbox.push(&vec![7; len], client.peer_addr().unwrap(), None, usize::MAX);
        }
        outbox.send(client.as_fd()).unwrap();
        for len in lens {
            let packet = next(&udp, &server);
            assert_eq!((packet.data().len(), packet.is_truncated()), (len.min(60), len > 60));
            assert_eq!(packet.destination(), Some("127.0.0.1".parse().unwrap()));
        }
    }

    #[test]
    fn a_packet_is_used_again_unless_somebody_has_kept_it() {
        let udp = Udp::default();
        let server = server(&udp, "127.0.0.1:0");
        let client = client(&server);
        client.send(b"one").unwrap();
        let one = next(&udp, &server);
        let weak = Arc::downgrade(&one);
        let place = Arc::as_ptr(&one);
        udp.close_request(one);
        // Somebody may still get at it, so it is left alone.
        let kept = weak.upgrade();
        client.send(b"second").unwrap();
        let second = next(&udp, &server);
        assert_ne!(Arc::as_ptr(&second), place);
        assert!(kept.is_none_or(|kept| kept.data() == b"one"));

        let place = Arc::as_ptr(&second);
        udp.close_request(second);
        client.send(b"3").unwrap();
        let third = next(&udp, &server);
        assert_eq!((Arc::as_ptr(&third), third.data()), (place, &b"3"[..]));
        // The handler has kept a clone.
        let kept = Arc::clone(&third);
        udp.close_request(third);
        client.send(b"4").unwrap();
        let fourth = next(&udp, &server);
        assert_eq!((kept.data(), fourth.data()), (&b"3"[..], &b"4"[..]));
    }

    #[test]
    fn short_trains_that_are_refused_end_trains_and_long_ones_only_those() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = DatagramSocket::from(socket);
        let trains: &Trains = &socket.home.trains;
        trains.refused(9000, true);
        assert_eq!((trains.longest(), socket.take_fallback()), (8999, None));
        trains.refused(1400, true);
        assert_eq!((trains.longest(), socket.take_fallback()), (1399, None));
        trains.refused(100, true);
        assert_eq!((trains.longest(), socket.take_fallback()), (0, Some("UDP_SEGMENT")));
        assert_eq!(socket.take_fallback(), None);
    }
}
