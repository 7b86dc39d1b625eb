use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver_coroutine::sync::{Mutex, Semaphore};
use socketserver_coroutine::{sleep, yield_now};

use crate::team::{Member, coroutines, everywhere};

#[test]
fn as_many_as_there_are_permits_run_and_never_more() {
    everywhere(|team| {
        for permits in [1, 2, 5] {
            let semaphore = Arc::new(Semaphore::new(permits));
            let running = Arc::new(AtomicUsize::new(0));
            let most = Arc::new(AtomicUsize::new(0));
            let (ours, most_of_us) = (Arc::clone(&semaphore), Arc::clone(&most));
            team.all(12, move |number| {
                for turn in 0..20 {
                    let _permit = ours.acquire().unwrap();
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most_of_us.fetch_max(now, Ordering::SeqCst);
                    match (number + turn) % 3 {
                        0 => sleep(Duration::from_micros(100)),
                        _ => yield_now(),
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                }
            });
            assert!((1..=permits).contains(&most.load(Ordering::SeqCst)));
            assert_eq!(semaphore.permits(), permits);
            let all: Vec<_> = std::iter::from_fn(|| semaphore.try_acquire()).collect();
            assert_eq!(all.len(), permits);
        }
    });
}

#[test]
fn a_permit_that_meets_a_time_out_is_not_lost() {
    everywhere(|team| {
        let semaphore = Arc::new(Semaphore::new(2));
        let ours = Arc::clone(&semaphore);
        team.all(6, move |number| {
            for turn in 0..60 {
                // As long as the others hold it, about, so that both come at the same time.
                let timeout = Duration::from_micros(((number + turn) * 7 % 150) as u64);
                match ours.acquire_timeout(timeout) {
                    Ok(_permit) => sleep(Duration::from_micros(50)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                }
            }
        });
        assert_eq!(semaphore.permits(), 2);
        let both = (semaphore.try_acquire(), semaphore.try_acquire());
        assert!(both.0.is_some() && both.1.is_some() && semaphore.try_acquire().is_none());
    });
}

#[test]
fn who_waits_is_served_in_the_order_of_arrival_without_those_who_left() {
    coroutines(|team| {
        let semaphore = Arc::new(Semaphore::new(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let members: Vec<_> = (0..10)
            .map(|number| {
                let (semaphore, order) = (Arc::clone(&semaphore), Arc::clone(&order));
                let member = team.start(move || {
                    let leaves = number % 3 == 1;
                    let timeout = Duration::from_millis(if leaves { 1 } else { 60_000 });
                    if let Ok(permit) = semaphore.acquire_timeout(timeout) {
                        order.lock().push(number);
                        permit.forget();
                    }
                });
                yield_now();
                member
            })
            .collect();
        sleep(Duration::from_millis(20));
        semaphore.release(2);
        assert_eq!(semaphore.permits(), 0);
        assert!(semaphore.try_acquire().is_none(), "they are given already");
        yield_now();
        assert_eq!(*order.lock(), [0, 2]);
        semaphore.release(6);
        members.into_iter().for_each(Member::join);
        assert_eq!(*order.lock(), [0, 2, 3, 5, 6, 8, 9]);
        assert_eq!(semaphore.permits(), 1);
    });
}

#[test]
fn closing_tells_those_who_wait_and_those_who_come() {
    everywhere(|team| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.acquire().unwrap();
        let arrived = Arc::new(AtomicUsize::new(0));
        let members: Vec<_> = (0..6)
            .map(|_| {
                let (semaphore, arrived) = (Arc::clone(&semaphore), Arc::clone(&arrived));
                team.start(move || {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    let error = semaphore.acquire().map(drop).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                })
            })
            .collect();
        while arrived.load(Ordering::SeqCst) < 6 {
            yield_now();
        }
        assert!(!semaphore.is_closed());
        semaphore.close();
        members.into_iter().for_each(Member::join);
        drop(permit);
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.permits(), 1);
        assert!(semaphore.try_acquire().is_none());
        let error = semaphore.acquire_timeout(Duration::MAX).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_timeout_of_zero_takes_what_is_there() {
    everywhere(|_| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.acquire_timeout(Duration::ZERO).unwrap();
        let error = semaphore.acquire_timeout(Duration::ZERO).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(permit);
        assert_eq!(semaphore.permits(), 1);
    });
}
