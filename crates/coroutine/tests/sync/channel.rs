use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver_coroutine::sync::{
    Mutex, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    channel, unbounded_channel,
};
use socketserver_coroutine::{sleep, yield_now};

use crate::team::{Member, coroutines, everywhere};

const SHORT: Duration = Duration::from_millis(1);

#[test]
fn each_value_goes_to_one_receiver_and_in_order() {
    everywhere(|team| {
        for capacity in [0, 1, 7] {
            let (sender, receiver) = channel(capacity);
            let all = Arc::new(Mutex::new(Vec::new()));
            let senders: Vec<_> = (0..4)
                .map(|from| {
                    let sender = sender.clone();
                    team.start(move || {
                        for number in 0..50 {
                            sender.send((from, number)).unwrap();
                            assert!(sender.len() <= capacity);
                        }
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let (receiver, all) = (receiver.clone(), Arc::clone(&all));
                    team.start(move || {
                        let values: Vec<_> = receiver.iter().collect();
                        for from in 0..4 {
                            let of = values.iter().filter(|value| value.0 == from);
                            assert!(of.map(|value| value.1).is_sorted(), "in order");
                        }
                        all.lock().extend(values);
                    })
                })
                .collect();
            senders.into_iter().chain(receivers).for_each(Member::join);
            let mut all = std::mem::take(&mut *all.lock());
            all.sort_unstable();
            let sent: Vec<_> =
                (0..4).flat_map(|from| (0..50).map(move |number| (from, number))).collect();
            assert_eq!(all, sent);
            assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
        }
    });
}

#[test]
fn a_full_channel_gives_back_what_it_does_not_take() {
    everywhere(|_| {
        let (sender, receiver) = channel(2);
        sender.send('a').unwrap();
        sender.send_timeout('b', Duration::ZERO).unwrap();
        assert_eq!(sender.try_send('c'), Err(TrySendError::Full('c')));
        assert_eq!(sender.send_timeout('c', SHORT), Err(SendTimeoutError::Timeout('c')));
        assert_eq!((sender.len(), receiver.len()), (2, 2));
        assert_eq!(receiver.recv(), Ok('a'));
        sender.try_send('d').unwrap();
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok('b'));
        assert_eq!(receiver.try_recv(), Ok('d'), "what timed out was not kept");
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert!(receiver.is_empty() && sender.is_empty());
    });
}

#[test]
fn values_outlive_their_senders_and_not_their_receivers() {
    everywhere(|_| {
        let (sender, receiver) = channel(3);
        let value = Arc::new(());
        for _ in 0..3 {
            sender.send(Arc::clone(&value)).unwrap();
        }
        drop(sender.clone());
        drop(sender);
        assert!(receiver.recv().is_ok());
        assert!(receiver.try_recv().is_ok());
        drop(receiver.clone());
        assert!(receiver.recv_timeout(SHORT).is_ok());
        assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Disconnected));

        let (sender, receiver) = channel(3);
        sender.send(Arc::clone(&value)).unwrap();
        assert_eq!(Arc::strong_count(&value), 2);
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1, "nobody can receive it any more");
        let sent = sender.send(Arc::clone(&value));
        assert_eq!(sent, Err(SendError::Disconnected(Arc::clone(&value))));
        assert_eq!(sender.try_send(value.clone()), Err(TrySendError::Disconnected(value.clone())));
        let sent = sender.send_timeout(value.clone(), SHORT);
        assert_eq!(sent.map_err(SendTimeoutError::into_inner), Err(value));
    });
}

#[test]
fn the_end_of_the_other_side_wakes_all_who_wait() {
    everywhere(|team| {
        for capacity in [0, 1] {
            let (sender, receiver) = channel::<usize>(capacity);
            let arrived = Arc::new(AtomicUsize::new(0));
            let members: Vec<_> = (0..4)
                .map(|_| {
                    let (receiver, arrived) = (receiver.clone(), Arc::clone(&arrived));
                    team.start(move || {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
                    })
                })
                .collect();
            while arrived.load(Ordering::SeqCst) < 4 {
                yield_now();
            }
            drop(sender);
            members.into_iter().for_each(Member::join);

            let (sender, receiver) = channel(capacity);
            (0..capacity).for_each(|number| sender.send(number).unwrap());
            let arrived = Arc::new(AtomicUsize::new(0));
            let members: Vec<_> = (0..4)
                .map(|number| {
                    let (sender, arrived) = (sender.clone(), Arc::clone(&arrived));
                    team.start(move || {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        let sent = sender.send(number);
                        assert_eq!(sent, Err(SendError::Disconnected(number)));
                    })
                })
                .collect();
            while arrived.load(Ordering::SeqCst) < 4 {
                yield_now();
            }
            drop(receiver);
            members.into_iter().for_each(Member::join);
        }
    });
}

#[test]
fn a_channel_without_a_buffer_gives_from_hand_to_hand() {
    coroutines(|team| {
        let (sender, receiver) = channel(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)), "nobody waits for it");
        let is_sent = Arc::new(AtomicUsize::new(0));
        let (ours, sent_by_us) = (sender.clone(), Arc::clone(&is_sent));
        let member = team.start(move || {
            ours.send(2).unwrap();
            sent_by_us.store(1, Ordering::SeqCst);
        });
        yield_now();
        assert_eq!((is_sent.load(Ordering::SeqCst), sender.len()), (0, 0));
        assert_eq!(receiver.try_recv(), Ok(2));
        member.join();
        assert_eq!(is_sent.load(Ordering::SeqCst), 1);

        let member = team.start(move || assert_eq!(receiver.recv(), Ok(3)));
        yield_now();
        sender.try_send(3).unwrap();
        member.join();
        assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));
    });
}

#[test]
fn those_who_wait_to_send_or_receive_are_served_in_the_order_of_arrival() {
    coroutines(|team| {
        for capacity in [0, 2] {
            let (sender, receiver) = channel(capacity);
            let senders: Vec<_> = (0..6)
                .map(|number| {
                    let sender = sender.clone();
                    let member = team.start(move || sender.send(number).unwrap());
                    yield_now();
                    member
                })
                .collect();
            for number in 0..6 {
                assert_eq!(receiver.recv(), Ok(number));
            }
            senders.into_iter().for_each(Member::join);

            let order = Arc::new(Mutex::new(Vec::new()));
            let receivers: Vec<_> = (0..6)
                .map(|number| {
                    let (receiver, order) = (receiver.clone(), Arc::clone(&order));
                    let member = team.start(move || {
                        let value = receiver.recv().unwrap();
                        order.lock().push((number, value));
                    });
                    yield_now();
                    member
                })
                .collect();
            for number in 0..6 {
                sender.try_send(number).unwrap();
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "they are given already");
            receivers.into_iter().for_each(Member::join);
            assert_eq!(*order.lock(), (0..6).map(|number| (number, number)).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_value_that_meets_a_time_out_is_received_once_or_given_back() {
    everywhere(|team| {
        for capacity in [0, 1] {
            let (sender, receiver) = channel(capacity);
            let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
            let ours = (sender.clone(), receiver.clone(), Arc::clone(&counts));
            team.all(6, move |number| {
                let (sender, receiver, counts) = &ours;
                for turn in 0..60 {
                    let timeout = Duration::from_micros(((number + turn) * 7 % 150) as u64);
                    if number % 2 == 0 {
                        match sender.send_timeout((number, turn), timeout) {
                            Ok(()) => drop(counts.0.fetch_add(1, Ordering::SeqCst)),
                            Err(error) => assert_eq!(error.into_inner(), (number, turn)),
                        }
                    } else if receiver.recv_timeout(timeout).is_ok() {
                        counts.1.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            let left = std::iter::from_fn(|| receiver.try_recv().ok()).count();
            assert!(left <= capacity);
            let (sent, received) =
                (counts.0.load(Ordering::SeqCst), counts.1.load(Ordering::SeqCst));
            assert_eq!(sent, received + left);
        }
    });
}

#[test]
fn an_unbounded_channel_never_makes_a_sender_wait() {
    everywhere(|team| {
        let (sender, receiver) = unbounded_channel();
        for number in 0..10_000 {
            sender.try_send(number).unwrap();
        }
        let member = team.start(move || drop(sender));
        let first: Vec<_> = (&receiver).into_iter().take(2).collect();
        assert_eq!(first, [0, 1]);
        assert!(receiver.into_iter().eq(2..10_000));
        member.join();
    });
}

#[test]
fn a_value_may_use_its_own_channel_as_it_is_dropped() {
    struct Last(socketserver_coroutine::sync::Sender<Self>);
    impl Drop for Last {
        fn drop(&mut self) {
            assert!(self.0.is_empty(), "no lock is held");
        }
    }

    everywhere(|_| {
        let (sender, receiver) = channel(1);
        let value = Last(sender.clone());
        assert!(sender.send(value).is_ok());
        drop((receiver, sender));
    });
}

#[test]
fn the_errors_say_what_was_wrong_without_the_value() {
    struct NotDebug;

    let (sender, receiver) = channel(0);
    let error = sender.try_send(NotDebug).unwrap_err();
    assert_eq!(error.to_string(), "the channel is full");
    assert_eq!(format!("{error:?}"), "Full(..)");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::WouldBlock);
    let error = sender.send_timeout(NotDebug, Duration::ZERO).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    let error = receiver.recv_timeout(Duration::ZERO).map(drop).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    drop(receiver);
    let error = sender.send(NotDebug).unwrap_err();
    assert_eq!(error.to_string(), "nobody is left to receive from the channel");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::BrokenPipe);
    sleep(Duration::ZERO);
}
