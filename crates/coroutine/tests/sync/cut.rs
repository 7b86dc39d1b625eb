//! What becomes of coroutines that wait when their worker ends.

use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use socketserver_coroutine::sync::{
    Condvar, Event, Mutex, RecvError, RecvTimeoutError, Semaphore, SendError, SendTimeoutError,
    WaitGroup, channel,
};
use socketserver_coroutine::{Backend, Config, Cut, run, spawn, yield_now};

const LONG: Duration = Duration::from_secs(60);

/// Runs `wait` on a coroutine, and cuts it when it waits. Returns what it returned, or `None` when
/// it was unwound with [`Cut`].
fn cut<R: Send + 'static>(wait: impl Fn() -> R + Clone + Send + 'static) -> Option<R> {
    let _alone = testkit::alone();
    let mut config = Config::default();
    config.backend = Backend::Epoll;
    let outcome = Arc::new(StdMutex::new(None));
    let of_child = Arc::clone(&outcome);
    run(&config, move || {
        spawn(move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
            *of_child.lock().unwrap() = Some(ended);
        });
        yield_now();
    })
    .unwrap();
    let ended = outcome.lock().unwrap().take().expect("it has ended");
    match ended {
        Ok(result) => Some(result),
        Err(payload) => {
            assert!(payload.is::<Cut>());
            None
        }
    }
}

#[test]
fn a_wait_for_a_lock_unwinds_and_leaves_the_queue() {
    let mutex = Arc::new(Mutex::new(()));
    let ours = Arc::clone(&mutex);
    let guard = mutex.lock();
    assert!(cut(move || drop(ours.lock())).is_none());
    drop(guard);
    assert!(mutex.try_lock().is_some(), "it was not given to one who has left");
    let (guard, ours) = (mutex.lock(), Arc::clone(&mutex));
    let kind = cut(move || ours.lock_timeout(LONG).map(drop).unwrap_err().kind());
    assert_eq!(kind, Some(std::io::ErrorKind::ConnectionAborted));
    drop(guard);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_holder_that_is_cut_unlocks() {
    let mutex = Arc::new(Mutex::new(0));
    let ours = Arc::clone(&mutex);
    let ended = cut(move || {
        let mut guard = ours.lock();
        *guard = 1;
        Event::new().wait();
    });
    assert!(ended.is_none());
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn a_wait_for_a_permit_fails_and_leaves_the_queue() {
    let semaphore = Arc::new(Semaphore::new(0));
    let ours = Arc::clone(&semaphore);
    let kind = cut(move || ours.acquire().map(drop).unwrap_err().kind());
    assert_eq!(kind, Some(std::io::ErrorKind::ConnectionAborted));
    semaphore.release(1);
    assert_eq!(semaphore.permits(), 1);
}

#[test]
fn waits_for_signals_unwind_or_fail() {
    let group = WaitGroup::new();
    let (work, ours) = (group.add(), group.clone());
    assert!(cut(move || ours.wait()).is_none());
    let ours = group.clone();
    assert!(cut(move || ours.wait_timeout(LONG).is_err()).unwrap());
    drop(work);
    group.wait();
    assert!(cut(|| Event::new().wait()).is_none());
    assert!(cut(|| Event::new().wait_timeout(LONG).is_err()).unwrap());

    let shared = Arc::new((Mutex::new(()), Condvar::new()));
    let ours = Arc::clone(&shared);
    assert!(cut(move || drop(ours.1.wait(ours.0.lock()))).is_none());
    let ours = Arc::clone(&shared);
    assert!(cut(move || ours.1.wait_timeout(ours.0.lock(), LONG).is_err()).unwrap());
    assert!(shared.0.try_lock().is_some());
}

#[test]
fn waits_for_a_channel_fail_and_give_back_what_was_not_sent() {
    for capacity in [0, 1] {
        let (sender, receiver) = channel(capacity);
        let ours = receiver.clone();
        assert_eq!(cut(move || ours.recv()), Some(Err(RecvError::Cut)));
        let ours = receiver.clone();
        assert_eq!(cut(move || ours.recv_timeout(LONG)), Some(Err(RecvTimeoutError::Cut)));
        let ours = receiver.clone();
        assert_eq!(cut(move || ours.iter().count()), Some(0));

        (0..capacity).for_each(|_| sender.send('a').unwrap());
        let ours = sender.clone();
        assert_eq!(cut(move || ours.send('b')), Some(Err(SendError::Cut('b'))));
        let ours = sender.clone();
        let sent = cut(move || ours.send_timeout('c', LONG));
        assert_eq!(sent, Some(Err(SendTimeoutError::Cut('c'))));
        assert_eq!(std::iter::from_fn(|| receiver.try_recv().ok()).count(), capacity);
    }
}

#[test]
fn what_needs_no_wait_succeeds_in_a_coroutine_that_is_cut() {
    let ended = cut(|| {
        let _ = Event::new().wait_timeout(LONG);
        assert!(socketserver_coroutine::is_cut());
        let (sender, receiver) = channel(1);
        sender.send(*Mutex::new(7).lock()).unwrap();
        drop(Semaphore::new(1).acquire().unwrap());
        WaitGroup::new().wait();
        receiver.recv()
    });
    assert_eq!(ended, Some(Ok(7)));
}
