//! Errors of taking requests: told, but not more than once a second.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socketserver::mixin::Synchronous;
use socketserver::observe::{AcceptAction, Event};
use socketserver::transport::{Raw, ServerBind, Transport};
use socketserver::{Address, BaseRequest, BaseRequestHandler, Result, Server};
use testkit::{DEADLINE, alone};

use crate::noting::stop;

/// A transport whose socket is always readable, and never has a request.
#[derive(Debug, Default)]
struct Broken {
    errno: Option<i32>,
    errors: Arc<AtomicU64>,
}

impl Transport for Broken {
    type Kind = Raw<()>;
    type Socket = UnixStream;
    type Request = ();

    fn server_address(&self, _: &UnixStream) -> io::Result<Address> {
        Ok(Address::Other("broken".into()))
    }

    fn get_request(&self, _: &UnixStream) -> io::Result<(Arc<()>, Address)> {
        self.errors.fetch_add(1, Ordering::SeqCst);
        // What a request costs is seen by whoever watches.
        std::thread::sleep(Duration::from_millis(1));
        Err(self.errno.map_or_else(|| io::Error::other("broken"), io::Error::from_raw_os_error))
    }

    fn connection(&self, request: &Arc<()>) -> Arc<()> {
        Arc::clone(request)
    }
}

impl ServerBind<()> for Broken {
    fn server_bind(&self, (): ()) -> io::Result<UnixStream> {
        // Its other end is dropped, so that it is readable.
        Ok(UnixStream::pair()?.0)
    }
}

struct Nobody;

impl BaseRequestHandler<Raw<()>> for Nobody {
    fn handle(&mut self, _: &mut BaseRequest<'_, Raw<()>>) -> Result {
        Ok(())
    }
}

/// What is told of one error: when, what is done, how many have not been told before, and how
/// many there had been by then.
type Told = (Instant, AcceptAction, u64, u64);

/// The first `count` errors that are told of a server that has nothing else.
fn first_told(count: usize, errno: Option<i32>) -> Vec<Told> {
    let (sender, told) = channel();
    let sender = Mutex::new(sender);
    let errors = Arc::new(AtomicU64::new(0));
    let so_far = Arc::clone(&errors);
    let observer = move |event: &Event<'_>| {
        if let Event::AcceptError { action, untold, .. } = event {
            let so_far = so_far.load(Ordering::SeqCst);
            // When nobody listens any more, enough has been heard.
            let _ = sender.lock().unwrap().send((Instant::now(), *action, *untold, so_far));
        }
    };
    let builder = Server::<Broken, Synchronous, Nobody>::builder(|| Nobody).observer(observer);
    let builder = builder.transport(|_| Broken { errno, errors });
    let server = builder.bind(()).unwrap().spawn().unwrap();
    let told = (0..count).map(|_| told.recv_timeout(DEADLINE).unwrap()).collect();
    stop(server);
    told
}

#[track_caller]
fn check_rate(told: &[Told]) {
    let (begun, _, untold, so_far) = told[0];
    assert_eq!((untold, so_far), (0, 1), "the first is told at once");
    for pair in told.windows(2) {
        let [(earlier, .., before), (later, _, untold, so_far)] = pair else { unreachable!() };
        // A little less, since each is told a little after it was found due.
        let apart = *later - *earlier;
        assert!(apart >= Duration::from_millis(900), "{apart:?} after {:?}", begun.elapsed());
        assert_eq!(before + untold + 1, *so_far, "none is forgotten");
    }
}

/// B27, B5: a client's error costs no pause, so there may be very many of them.
#[test]
fn errors_of_clients_are_told_once_a_second_with_how_many_there_were() {
    let _alone = alone();
    const ECONNABORTED: i32 = 103;
    let told = first_told(2, Some(ECONNABORTED));
    check_rate(&told);
    assert!(told.iter().all(|told| told.1 == AcceptAction::Continue));
    assert!(told[1].2 > 10, "{told:?}");
}

/// B5: an error of the host's is given time to go away, twice as much each time.
#[test]
fn errors_of_the_host_are_told_once_a_second_and_cost_a_pause() {
    let _alone = alone();
    for errno in [None, Some(105)] {
        let told = first_told(2, errno);
        check_rate(&told);
        assert_eq!(told[0].1, AcceptAction::Pause(Duration::from_millis(5)));
        // After 5 + 10 + 20 + ... milliseconds, a second is over at the ninth.
        let AcceptAction::Pause(pause) = told[1].1 else { panic!("{told:?}") };
        assert!(pause > Duration::from_millis(5), "{pause:?}");
        assert!(told[1].3 <= 9, "{told:?}");
    }
}
