//! What a scenario is: data, the same for both servers.

use std::fmt;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `TCPServer`.
    Tcp,
    /// `UDPServer`.
    Udp,
    /// `UnixStreamServer`.
    Unix,
    /// `UnixDatagramServer`.
    Unixgram,
}

impl Transport {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Unix, Self::Unixgram];

    /// Whether its requests are connections.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Unix)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Unixgram => "unixgram",
        })
    }
}

/// Who runs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixIn {
    /// The thread of the loop.
    Synchronous,
    /// A thread per request.
    Threading,
    /// A process per request.
    Forking,
    /// A coroutine per request, on a worker that waits by epoll.
    CoroutineEpoll,
    /// A coroutine per request, on a worker that waits by io_uring.
    CoroutineIoUring,
}

impl MixIn {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Synchronous,
        Self::Threading,
        Self::Forking,
        Self::CoroutineEpoll,
        Self::CoroutineIoUring,
    ];

    /// Whether requests run on coroutines.
    pub fn is_coroutine(self) -> bool {
        matches!(self, Self::CoroutineEpoll | Self::CoroutineIoUring)
    }

    /// Which of Python's it is compared with: it has no coroutines, and what comes nearest is a
    /// thread per request. Both run requests at the same time, in one process and out of the
    /// loop's way.
    pub fn of_python(self) -> Self {
        if self.is_coroutine() { Self::Threading } else { self }
    }
}

impl fmt::Display for MixIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synchronous => "synchronous",
            Self::Threading => "threading",
            Self::Forking => "forking",
            Self::CoroutineEpoll => "coroutine_epoll",
            Self::CoroutineIoUring => "coroutine_io_uring",
        })
    }
}

/// The way to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// One `handle_request` for each request.
    HandleRequest,
    /// `serve_forever`, ended by `shutdown`.
    ServeForever,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandleRequest => "handle_request",
            Self::ServeForever => "serve_forever",
        })
    }
}

/// One run of one server: how it behaves, and what is done to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Which server.
    pub transport: Transport,
    /// Who runs a request.
    pub mixin: MixIn,
    /// What it is about.
    pub situation: &'static str,
    /// The way to serve.
    pub via: Via,
    /// `key=value` words for the server.
    pub behaviour: String,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// `transport/mixin/situation/via`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}/{}", self.transport, self.mixin, self.situation, self.via)
    }
}

/// One thing that the driver does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes a command to the server.
    Command(&'static str),
    /// A client connects, or gets a socket to send from.
    Connect(char),
    /// A client that has no address of its own, so that no reply can reach it.
    ConnectUnnamed(char),
    /// A client tries to connect; whether it is refused is compared.
    TryConnect(char),
    /// So many clients connect at once, none of whom is accepted; how many get a place in the
    /// queue is compared.
    Crowd(usize),
    /// A client sends bytes: all of them, or as one datagram.
    Send(char, Vec<u8>),
    /// A client says that it will send no more.
    HalfClose(char),
    /// A client reads up to the end of its connection, or the datagrams that answer its request;
    /// what it got is compared.
    Read(char),
    /// A client reads one line without the end; what it got is compared.
    ReadLine(char),
    /// A client closes.
    Leave(char),
    /// A client closes so that its peer sees a reset, where there is such a thing.
    Reset(char),
    /// Lets the handler go on that waits at the gate.
    OpenGate,
    /// Waits for an event that has to come.
    Await(Event),
    /// Waits for an event that may not come: that is compared, and ends the scenario if it does
    /// not. Python is given `patience` milliseconds where it is known to hang.
    Probe {
        /// What should come.
        event: Event,
        /// How long Python is waited for.
        patience: u64,
    },
    /// Waits until a request is over, but no longer than a server that lingers on a close may
    /// make it take.
    Settle(u32),
    /// Waits for the first of two events, and compares which it was.
    First(Event, Event),
    /// Compares the order of two events that have both come.
    Order(Event, Event),
}

/// Something in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line with this event, of whatever request, wherever it ran, so many times.
    Line(&'static str, usize),
    /// A line with this event for this request.
    Of(u32, &'static str),
    /// The request is over and its socket closed, everywhere.
    Over(u32),
    /// So many turns of the loop since the last command.
    Passes(usize),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(name, 1) => f.write_str(name),
            Self::Line(name, times) => write!(f, "{name} x {times}"),
            Self::Of(request, name) => write!(f, "{name}({request})"),
            Self::Over(request) => write!(f, "request {request} over"),
            Self::Passes(_) => f.write_str("the loop goes on"),
        }
    }
}
