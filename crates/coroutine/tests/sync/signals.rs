use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver_coroutine::sync::{Event, WaitGroup};
use socketserver_coroutine::yield_now;

use crate::team::{Member, everywhere};

#[test]
fn an_event_lets_all_through_and_holds_them_when_it_is_cleared() {
    everywhere(|team| {
        let event = Arc::new(Event::new());
        let passed = Arc::new(AtomicUsize::new(0));
        let members: Vec<_> = (0..6)
            .map(|_| {
                let (event, passed) = (Arc::clone(&event), Arc::clone(&passed));
                team.start(move || {
                    event.wait();
                    passed.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let error = event.wait_timeout(Duration::from_millis(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(passed.load(Ordering::SeqCst), 0);
        assert!(!event.is_set());
        event.set();
        members.into_iter().for_each(Member::join);
        assert_eq!(passed.load(Ordering::SeqCst), 6);
        event.wait();
        event.clear();
        assert_eq!(event.wait_timeout(Duration::ZERO).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_group_is_waited_for_by_any_number_until_the_last_work_has_ended() {
    everywhere(|team| {
        let group = WaitGroup::new();
        group.wait();
        let ended = Arc::new(AtomicUsize::new(0));
        let works: Vec<_> = (0..6).map(|_| group.add()).collect();
        assert_eq!(group.count(), 6);
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (group, ended) = (group.clone(), Arc::clone(&ended));
                team.start(move || {
                    group.wait();
                    assert_eq!(ended.load(Ordering::SeqCst), 6);
                })
            })
            .collect();
        let timeout = Duration::from_millis(2);
        assert_eq!(group.wait_timeout(timeout).unwrap_err().kind(), ErrorKind::TimedOut);
        let workers: Vec<_> = works
            .into_iter()
            .map(|work| {
                let ended = Arc::clone(&ended);
                team.start(move || {
                    yield_now();
                    ended.fetch_add(1, Ordering::SeqCst);
                    drop(work);
                })
            })
            .collect();
        group.wait();
        assert_eq!(ended.load(Ordering::SeqCst), 6);
        waiters.into_iter().chain(workers).for_each(Member::join);
        group.wait_timeout(Duration::ZERO).unwrap();
    });
}

#[test]
fn work_that_panics_has_ended() {
    everywhere(|team| {
        let group = WaitGroup::new();
        let work = group.add();
        let member = team.start(move || {
            let _work = work;
            std::panic::resume_unwind(Box::new("as a test wants"));
        });
        group.wait();
        assert!(catch_unwind(AssertUnwindSafe(|| member.join())).is_err());
    });
}
