//! Models of the protocol: every order in which the steps of two or three threads can meet.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p socketserver-coroutine --release --lib loom_
//! ```
//!
//! A wait with a timeout stands for one whose time is up as soon as it has found nothing, and
//! after [`cut`] for one that is cut then. A lost wake-up shows as a deadlock, which loom reports.

use loom::thread;
use std::sync::Arc;
use std::time::Duration;

use super::shim::cut;
use super::{
    Condvar, Event, Mutex, Receiver, RecvTimeoutError, Semaphore, SendTimeoutError, Sender,
    TryRecvError, WaitGroup, channel,
};

const NOW: Duration = Duration::ZERO;

/// Explores `model` with at most so many switches that were not needed.
fn check(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(model);
}

#[test]
fn loom_a_mutex_is_had_by_one_at_a_time_and_its_inner_lock_is_free() {
    check(3, || {
        let mutex = Arc::new(Mutex::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || *mutex.lock() += 1)
            })
            .collect();
        *mutex.lock() += 1;
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*mutex.try_lock().unwrap(), 3);
    });
}

/// One permit for one who waits as long as it takes and one who leaves.
fn leave_while_a_permit_comes(is_cut: bool) {
    check(3, move || {
        let semaphore = Arc::new(Semaphore::new(0));
        let ours = Arc::clone(&semaphore);
        let leaves = thread::spawn(move || {
            if is_cut {
                cut();
            }
            drop(ours.acquire_timeout(NOW));
        });
        let ours = Arc::clone(&semaphore);
        let stays = thread::spawn(move || ours.acquire().unwrap().forget());
        semaphore.release(1);
        leaves.join().unwrap();
        stays.join().unwrap();
        assert_eq!(semaphore.permits(), 0);
    });
}

#[test]
fn loom_a_permit_is_not_lost_to_one_whose_time_is_up() {
    leave_while_a_permit_comes(false);
}

#[test]
fn loom_a_permit_is_not_lost_to_one_who_is_cut() {
    leave_while_a_permit_comes(true);
}

#[test]
fn loom_closing_a_semaphore_wakes_who_waits_and_keeps_the_count() {
    check(3, || {
        let semaphore = Arc::new(Semaphore::new(0));
        let ours = Arc::clone(&semaphore);
        let waits = thread::spawn(move || ours.acquire().map(super::Permit::forget).is_ok());
        let ours = Arc::clone(&semaphore);
        let releases = thread::spawn(move || ours.release(1));
        semaphore.close();
        releases.join().unwrap();
        let has_one = waits.join().unwrap();
        assert_eq!(semaphore.permits(), usize::from(!has_one));
    });
}

fn exchange(capacity: usize) {
    check(2, move || {
        let (sender, receiver) = channel(capacity);
        let second = sender.clone();
        let senders = [
            thread::spawn(move || sender.send(1).unwrap()),
            thread::spawn(move || second.send(2).unwrap()),
        ];
        assert_eq!(receiver.recv().unwrap() + receiver.recv().unwrap(), 3);
        assert!(receiver.recv().is_err(), "both have ended");
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn loom_a_channel_passes_all_and_ends() {
    exchange(1);
}

#[test]
fn loom_a_channel_without_a_buffer_passes_all_and_ends() {
    exchange(0);
}

/// One value, for one who waits as long as it takes and one who leaves.
fn leave_while_a_value_comes(is_cut: bool) {
    check(3, move || {
        let (sender, receiver) = channel(1);
        let ours = receiver.clone();
        let leaves = thread::spawn(move || {
            if is_cut {
                cut();
            }
            let received: Result<i32, _> = ours.recv_timeout(NOW);
            let expected = if is_cut { RecvTimeoutError::Cut } else { RecvTimeoutError::Timeout };
            match received {
                Err(RecvTimeoutError::Disconnected) | Ok(1) => {}
                other => assert_eq!(other, Err(expected)),
            }
            received.is_ok()
        });
        let stays = thread::spawn(move || receiver.recv() == Ok(1));
        sender.send(1).unwrap();
        drop(sender);
        let received = [leaves, stays].map(|thread| thread.join().unwrap());
        assert!(received[0] != received[1], "one of them has it");
    });
}

#[test]
fn loom_a_value_is_not_lost_to_one_whose_time_is_up() {
    leave_while_a_value_comes(false);
}

#[test]
fn loom_a_value_is_not_lost_to_one_who_is_cut() {
    leave_while_a_value_comes(true);
}

/// A sender that leaves while a receiver comes: it is told what has become of the value.
fn leave_while_a_receiver_comes(capacity: usize, is_cut: bool) {
    check(3, move || {
        let (sender, receiver) = channel(capacity);
        (0..capacity).for_each(|_| sender.send(0).unwrap());
        let leaves = thread::spawn(move || {
            if is_cut {
                cut();
            }
            match sender.send_timeout(1, NOW) {
                Ok(()) => true,
                Err(SendTimeoutError::Timeout(1)) if !is_cut => false,
                Err(SendTimeoutError::Cut(1)) if is_cut => false,
                other => panic!("{other:?}"),
            }
        });
        let mut received = 0;
        while receiver.recv().is_ok() {
            received += 1;
        }
        assert_eq!(received, capacity + usize::from(leaves.join().unwrap()));
    });
}

#[test]
fn loom_a_sender_that_leaves_knows_whether_it_has_sent() {
    leave_while_a_receiver_comes(0, false);
    leave_while_a_receiver_comes(0, true);
    leave_while_a_receiver_comes(1, false);
    leave_while_a_receiver_comes(1, true);
}

#[test]
fn loom_a_value_outlives_no_receiver() {
    fn send(sender: &Sender<Arc<()>>, value: Arc<()>) {
        drop(sender.send(value));
    }

    fn leave(receiver: Receiver<Arc<()>>) {
        assert!(!matches!(receiver.try_recv(), Err(TryRecvError::Disconnected)));
    }

    for capacity in [0, 1] {
        check(3, move || {
            let value = Arc::new(());
            let (sender, receiver) = channel(capacity);
            let leaves = thread::spawn(move || leave(receiver));
            send(&sender, Arc::clone(&value));
            send(&sender, Arc::clone(&value));
            leaves.join().unwrap();
            assert_eq!(Arc::strong_count(&value), 1);
        });
    }
}

#[test]
fn loom_an_event_that_is_set_and_cleared_wakes_who_waited() {
    check(3, || {
        let event = Arc::new(Event::new());
        let passed = [0, 1].map(|_| {
            let event = Arc::clone(&event);
            thread::spawn(move || event.wait())
        });
        event.set();
        assert!(event.is_set());
        event.clear();
        event.set();
        passed.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn loom_a_group_is_over_when_its_last_work_is() {
    check(3, || {
        let group = WaitGroup::new();
        let works = [0, 1].map(|_| {
            let work = group.add();
            thread::spawn(move || drop(work))
        });
        group.wait();
        assert_eq!(group.count(), 0);
        works.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// A condvar with one notification, for one who stays and one who leaves.
fn leave_while_a_notification_comes(is_cut: bool) {
    check(2, move || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let ours = Arc::clone(&shared);
        let leaves = thread::spawn(move || {
            if is_cut {
                cut();
            }
            let guard = ours.0.lock();
            drop(ours.1.wait_timeout(guard, NOW).map(|(_, is_notified)| {
                // It was its turn: it passes on what it does not need.
                if is_notified {
                    ours.1.notify_one();
                }
            }));
        });
        let ours = Arc::clone(&shared);
        let stays =
            thread::spawn(move || drop(ours.1.wait_while(ours.0.lock(), |is_set| !*is_set)));
        *shared.0.lock() = true;
        shared.1.notify_one();
        leaves.join().unwrap();
        stays.join().unwrap();
    });
}

#[test]
fn loom_a_notification_is_not_lost_to_one_whose_time_is_up() {
    leave_while_a_notification_comes(false);
}

#[test]
fn loom_a_notification_is_not_lost_to_one_who_is_cut() {
    leave_while_a_notification_comes(true);
}
