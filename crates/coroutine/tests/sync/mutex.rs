use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use socketserver_coroutine::sync::{Condvar, Mutex};
use socketserver_coroutine::{sleep, spawn, yield_now};

use crate::team::{Team, coroutines, everywhere};

#[test]
fn one_at_a_time_has_it_also_across_a_wait() {
    everywhere(|team| {
        let mutex = Arc::new(Mutex::new(0_u32));
        let ours = Arc::clone(&mutex);
        team.all(12, move |number| {
            for turn in 0..20 {
                let mut guard = ours.lock();
                let seen = *guard;
                match (number + turn) % 4 {
                    0 => sleep(Duration::from_micros(50)),
                    1 => yield_now(),
                    _ => {}
                }
                *guard = seen + 1;
            }
        });
        assert_eq!(*mutex.lock(), 240);
        assert_eq!(Arc::into_inner(mutex).map(Mutex::into_inner), Some(240));
    });
}

#[test]
fn who_waits_gets_it_in_the_order_of_arrival() {
    coroutines(|team| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let guard = order.lock();
        let members: Vec<_> = (0..10)
            .map(|number| {
                let order = Arc::clone(&order);
                let member = team.start(move || order.lock().push(number));
                yield_now();
                member
            })
            .collect();
        assert!(order.try_lock().is_none());
        drop(guard);
        assert!(order.try_lock().is_none(), "nobody overtakes those who wait");
        members.into_iter().for_each(crate::team::Member::join);
        assert_eq!(*order.lock(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_holder_that_panics_leaves_it_open_and_that_can_be_asked() {
    everywhere(|team| {
        let mutex = Arc::new(Mutex::new(1));
        let ours = Arc::clone(&mutex);
        let member = team.start(move || {
            let mut guard = ours.lock();
            *guard = 2;
            std::panic::resume_unwind(Box::new("as a test wants"));
        });
        assert!(catch_unwind(AssertUnwindSafe(|| member.join())).is_err());
        assert_eq!(*mutex.lock(), 2);
        assert!(mutex.is_poisoned());
        mutex.clear_poison();
        assert!(!mutex.is_poisoned());
        drop(mutex.lock());
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_wait_with_a_timeout_ends_and_the_next_still_gets_it() {
    everywhere(|team| {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock();
        let ours = Arc::clone(&mutex);
        team.all(3, move |number| {
            let timeout = Duration::from_millis(number as u64);
            let error = ours.lock_timeout(timeout).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        });
        drop(guard);
        drop(mutex.lock_timeout(Duration::ZERO).unwrap());
        drop(mutex.try_lock().unwrap());
    });
}

#[test]
fn the_value_is_had_without_a_lock_by_who_has_the_mutex() {
    let mut mutex = Mutex::from(String::from("a"));
    mutex.get_mut().push('b');
    assert_eq!(format!("{mutex:?}"), r#"Mutex { value: "ab", .. }"#);
    let guard = mutex.lock();
    assert_eq!(format!("{guard} {guard:?} {mutex:?}"), r#"ab "ab" Mutex { value: <locked>, .. }"#);
    drop(guard);
    let unsized_one: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
    unsized_one.lock()[1] = 7;
    assert_eq!(*unsized_one.lock(), [1, 7, 3]);
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
}

#[test]
fn a_queue_over_a_condvar_loses_and_doubles_nothing() {
    everywhere(|team| {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new(), Condvar::new()));
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (ours, taken_by_us) = (Arc::clone(&shared), Arc::clone(&taken));
        team.all(8, move |number| {
            let (queue, filled, emptied) = &*ours;
            for turn in 0..25 {
                if number % 2 == 0 {
                    let mut queue = emptied.wait_while(queue.lock(), |queue| queue.len() >= 2);
                    queue.push(number * 100 + turn);
                    filled.notify_one();
                } else {
                    let mut queue = filled.wait_while(queue.lock(), |queue| queue.is_empty());
                    taken_by_us.lock().extend(queue.pop());
                    emptied.notify_one();
                }
            }
        });
        let mut taken = std::mem::take(&mut *taken.lock());
        taken.sort_unstable();
        let sent: Vec<_> =
            [0, 2, 4, 6].iter().flat_map(|n| (0..25).map(move |turn| n * 100 + turn)).collect();
        assert_eq!(taken, sent);
        assert!(shared.0.lock().is_empty());
    });
}

#[test]
fn a_condvar_wakes_who_has_waited_longest_or_all() {
    coroutines(|_: &Team| {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        for number in 0..4 {
            let shared = Arc::clone(&shared);
            spawn(move || shared.1.wait(shared.0.lock()).push(number));
            yield_now();
        }
        let wait_for = |count| {
            while shared.0.lock().len() < count {
                yield_now();
            }
            shared.0.lock().clone()
        };
        shared.1.notify_one();
        assert_eq!(wait_for(1), [0]);
        shared.1.notify_one();
        assert_eq!(wait_for(2), [0, 1]);
        shared.1.notify_all();
        assert_eq!(wait_for(4), [0, 1, 2, 3]);
    });
}

#[test]
fn a_wait_on_a_condvar_that_times_out_has_the_lock_again() {
    everywhere(|_| {
        let (mutex, condvar) = (Mutex::new(1), Condvar::new());
        let (guard, is_notified) =
            condvar.wait_timeout(mutex.lock(), Duration::from_millis(1)).unwrap();
        assert!(!is_notified);
        assert!(mutex.try_lock().is_none());
        let (guard, ceased) =
            condvar.wait_timeout_while(guard, Duration::from_millis(1), |one| *one == 1).unwrap();
        assert!(!ceased);
        let (guard, ceased) =
            condvar.wait_timeout_while(guard, Duration::ZERO, |one| *one == 2).unwrap();
        assert!(ceased);
        drop(guard);
        condvar.notify_all();
    });
}
