//! `setup`, `handle` and `finish`: every combination of success, error and panic, against what
//! `setup(); try: handle() finally: finish()` means.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use socketserver::transport::{Datagram, Stream, Transport};
use socketserver::{
    BaseRequest, BaseRequestHandler, BaseServer, DatagramRequest, DatagramRequestHandler, Result,
    StreamRequest, StreamRequestHandler, TcpServer, ThreadingTcpServer, ThreadingUdpServer,
    UdpServer,
};
use testkit::{DEADLINE, Trace, alone, datagram_client};

use crate::noting::{Noting, connect, stop};

/// How a phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Well,
    Error,
    Panic,
}

use Way::{Error, Panic, Well};

/// Ends its phases in three ways.
#[derive(Clone, Copy, Debug)]
struct Scripted([Way; 3]);

impl Scripted {
    fn all() -> impl Iterator<Item = Self> {
        let ways = [Well, Error, Panic];
        ways.into_iter().flat_map(move |setup| {
            ways.into_iter().flat_map(move |handle| {
                ways.into_iter().map(move |finish| Self([setup, handle, finish]))
            })
        })
    }

    fn run(self, phase: usize, trace: &Trace) -> Result {
        let name = ["setup", "handle", "finish"][phase];
        trace.note(name);
        match self.0[phase] {
            Well => Ok(()),
            Error => Err(format!("{name} failed").into()),
            Panic => panic!("{name} panicked"),
        }
    }

    /// What is noted, by the plain meaning.
    fn expected(self) -> Vec<String> {
        let failure = |phase: usize| match self.0[phase] {
            Well => None,
            Error => Some(format!("{} failed", ["setup", "handle", "finish"][phase])),
            Panic => Some(format!(
                "request handler panicked: {} panicked",
                ["setup", "handle", "finish"][phase]
            )),
        };
        let mut notes = vec!["setup".to_owned()];
        if let Some(failure) = failure(0) {
            notes.push(format!("error: {failure}"));
            return notes;
        }
        notes.extend(["handle".to_owned(), "finish".to_owned()]);
        notes.extend(match (failure(1), failure(2)) {
            (None, None) => None,
            (Some(failure), None) | (None, Some(failure)) => Some(format!("error: {failure}")),
            (Some(handle), Some(finish)) => Some(format!("error: {finish}, after: {handle}")),
        });
        notes
    }
}

impl StreamRequestHandler<Noting> for Scripted {
    fn setup(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        self.run(0, &request.server.trace)
    }

    fn handle(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        write!(request.wfile, "partial")?;
        self.run(1, &request.server.trace)
    }

    fn finish(&mut self, request: &mut StreamRequest<'_, Noting>) -> Result {
        self.run(2, &request.server.trace)
    }
}

impl DatagramRequestHandler<Noting> for Scripted {
    fn setup(&mut self, request: &mut DatagramRequest<'_, Noting>) -> Result {
        self.run(0, &request.server.trace)
    }

    fn handle(&mut self, request: &mut DatagramRequest<'_, Noting>) -> Result {
        self.run(1, &request.server.trace)
    }

    fn finish(&mut self, request: &mut DatagramRequest<'_, Noting>) -> Result {
        self.run(2, &request.server.trace)
    }
}

/// The same for the request itself.
struct Base(Scripted);

macro_rules! base {
    ($($kind:ident),+) => {
        $(impl BaseRequestHandler<$kind, Noting> for Base {
            fn setup(&mut self, request: &mut BaseRequest<'_, $kind, Noting>) -> Result {
                self.0.run(0, &request.server.trace)
            }

            fn handle(&mut self, request: &mut BaseRequest<'_, $kind, Noting>) -> Result {
                self.0.run(1, &request.server.trace)
            }

            fn finish(&mut self, request: &mut BaseRequest<'_, $kind, Noting>) -> Result {
                self.0.run(2, &request.server.trace)
            }
        })+
    };
}

base!(Stream, Datagram);

/// Serves one connection after another on the server `$alias` of each script, and compares.
macro_rules! over_streams {
    ($alias:ident, $handler:expr) => {
        for script in Scripted::all() {
            let noting = Noting::default();
            let handler = $handler;
            let builder = $alias::builder(move || handler(script)).server(noting.clone());
            let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
            let mut client = connect(server.server_address());
            server.handle_request().unwrap();
            // Whatever fails, the client sees the end.
            client.read_to_end().unwrap();
            assert!(server.server_close(Some(DEADLINE)));
            assert_eq!(noting.trace.texts(), script.expected(), "{script:?}");
        }
    };
}

macro_rules! over_packets {
    ($alias:ident, $handler:expr) => {
        for script in Scripted::all() {
            let noting = Noting::default();
            let handler = $handler;
            let builder = $alias::builder(move || handler(script)).server(noting.clone());
            let server = builder.timeout(DEADLINE).bind("127.0.0.1:0").unwrap();
            let client = datagram_client(server.server_address().as_inet().unwrap()).unwrap();
            client.send(b"packet").unwrap();
            server.handle_request().unwrap();
            assert!(server.server_close(Some(DEADLINE)));
            assert_eq!(noting.trace.texts(), script.expected(), "{script:?}");
        }
    };
}

/// A77 to A80, with panics as errors: `finish` runs whatever `handle` does, and neither runs
/// when `setup` fails.
#[test]
fn stream_handlers_keep_the_guarantees_of_setup_handle_and_finish() {
    let _alone = alone();
    over_streams!(TcpServer, |script| script);
    over_streams!(ThreadingTcpServer, |script| script);
}

/// A77 to A80.
#[test]
fn datagram_handlers_keep_the_guarantees_of_setup_handle_and_finish() {
    let _alone = alone();
    over_packets!(UdpServer, |script| script);
    over_packets!(ThreadingUdpServer, |script| script);
}

/// A77 to A80.
#[test]
fn base_handlers_keep_the_guarantees_of_setup_handle_and_finish() {
    let _alone = alone();
    over_streams!(TcpServer, Base);
    over_packets!(ThreadingUdpServer, Base);
}

/// Counts the calls of its own `handle`, and of everybody's.
#[derive(Default)]
struct Counts(u32);

/// What all requests share.
#[derive(Default)]
struct Total(AtomicU32);

impl<T: Transport> BaseServer<T> for Total {}

impl StreamRequestHandler<Total> for Counts {
    fn handle(&mut self, request: &mut StreamRequest<'_, Total>) -> Result {
        self.0 += 1;
        let total = request.server.0.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(write!(request.wfile, "{} of {total}", self.0)?)
    }
}

/// A81.
#[test]
fn each_request_has_a_handler_of_its_own_and_all_share_the_server() {
    let _alone = alone();
    let builder = ThreadingTcpServer::builder(Counts::default).server(Total::default());
    let server = builder.bind("127.0.0.1:0").unwrap().spawn().unwrap();
    for total in 1..4 {
        let reply = connect(server.server_address()).read_to_end().unwrap();
        assert_eq!(String::from_utf8(reply).unwrap(), format!("1 of {total}"));
    }
    assert_eq!(server.server().0.load(Ordering::SeqCst), 3);
    stop(server);
}
