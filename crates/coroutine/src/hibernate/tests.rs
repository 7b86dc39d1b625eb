use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use testkit::{DEADLINE, Process, alone, role};

use crate::remote::{Message, Remote};
use crate::scheduler::{Id, Scheduler, Woken};
use crate::worker::Worker;
use crate::{Config, Cut, Parker, Unparker, io, sleep, yield_now};

/// A worker whose coroutines hibernate after `ms`.
fn worker(ms: u64) -> Rc<Worker> {
    let hibernate_after = Some(Duration::from_millis(ms));
    let config = Config { stack_size: 64 * 1024, hibernate_after, ..Config::default() };
    Worker::new(&config, Arc::new(Remote::new().unwrap())).unwrap()
}

fn start(worker: &Rc<Worker>, code: impl FnOnce() + 'static) {
    assert!(worker.spawn(code).is_ok());
}

/// Runs the worker until `until`, which is asked now and then also when nothing happens.
#[track_caller]
fn run(worker: &Rc<Worker>, until: impl Fn(&Worker) -> bool) {
    let begun = Instant::now();
    let remote = Arc::clone(worker.remote());
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let poke = std::thread::spawn(move || {
        let nobody = Id::new(u32::MAX, 1);
        while is_over.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            drop(remote.send(Message::Wake(nobody)));
        }
    });
    let mut is_late = false;
    let ran = worker.run(|worker| {
        is_late = begun.elapsed() > DEADLINE;
        is_late || until(worker)
    });
    drop(over);
    poke.join().unwrap();
    ran.unwrap();
    assert!(!is_late, "{} hibernate", worker.hibernating());
}

/// Locals in a number of frames, looked at again after the wait.
#[inline(never)]
fn frames(depth: u64, seed: u64, wait: &dyn Fn()) -> u64 {
    let locals = std::hint::black_box([seed ^ depth; 40]);
    let here = &raw const locals;
    let deeper = if depth == 0 {
        wait();
        0
    } else {
        frames(depth - 1, seed, wait)
    };
    assert_eq!(std::hint::black_box(here), &raw const locals, "they are where they were");
    assert_eq!(locals, [seed ^ depth; 40]);
    deeper.wrapping_add(locals[0])
}

#[test]
fn stacks_of_those_that_wait_long_have_no_memory_and_are_whole_again_when_they_go_on() {
    const COUNT: u64 = 300;

    let _alone = alone();
    let worker = worker(2);
    let unparkers: Rc<RefCell<Vec<Unparker>>> = Rc::default();
    let sums = Rc::new(Cell::new((0_u64, 0)));
    for seed in 0..COUNT {
        let (unparkers, sums) = (Rc::clone(&unparkers), Rc::clone(&sums));
        start(&worker, move || {
            for _ in 0..2 {
                let parker = Parker::new();
                unparkers.borrow_mut().push(parker.unparker());
                let sum = frames(seed % 25, seed, &|| parker.park(None).unwrap());
                sums.set((sums.get().0.wrapping_add(sum), sums.get().1 + 1));
            }
        });
    }
    let expected = |seed: u64| (0..=seed % 25).fold(0_u64, |sum, depth| sum + (seed ^ depth));
    let expected: u64 = (0..COUNT).map(expected).sum();
    for round in 1..=2 {
        run(&worker, |worker| worker.hibernating() == 300);
        assert_eq!(worker.do_chores(), None, "it has nothing to wake up for");
        unparkers.borrow_mut().drain(..).for_each(|unparker| unparker.unpark());
        let sums = Rc::clone(&sums);
        run(&worker, move |_| sums.get().1 == round * COUNT);
    }
    assert_eq!(sums.get().0, 2 * expected);
    worker.cut_and_finish().unwrap();
}

#[test]
fn a_stack_that_was_used_deeply_gives_all_of_it_back() {
    let _alone = alone();
    let before = anonymous();
    let worker = worker(2);
    for _ in 0..500 {
        start(&worker, || {
            frames(30, 7, &|| {});
            sleep(DEADLINE);
        });
    }
    let used = Cell::new(0);
    run(&worker, |worker| {
        used.set(used.get().max(anonymous()));
        worker.hibernating() == 500
    });
    // It has no more than the frames, which are small without optimisation too.
    assert!(used.get() > before + 500 * 16 * 1024, "{before} {used:?}");
    assert!(anonymous() < used.get() - 500 * 12 * 1024, "{used:?} {}", anonymous());
    worker.cut_and_finish().unwrap();
}

/// Bytes of memory that the process has of its own.
fn anonymous() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_deadline_data_and_other_threads_wake_those_that_hibernate() {
    let _alone = alone();
    let worker = worker(2);
    let ended = Rc::new(Cell::new(0));
    let end = |ended: &Rc<Cell<i32>>| {
        let ended = Rc::clone(ended);
        move || ended.set(ended.get() + 1)
    };
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (unparker, parked) = std::sync::mpsc::channel();
    let has_hibernated = Rc::new(Cell::new(false));
    let (seen, done) = (Rc::clone(&has_hibernated), end(&ended));
    start(&worker, move || {
        while !seen.get() {
            let begun = Instant::now();
            sleep(Duration::from_millis(20));
            assert!(begun.elapsed() >= Duration::from_millis(20));
        }
        done();
    });
    run(&worker, |worker| {
        has_hibernated.set(worker.hibernating() == 1);
        has_hibernated.get()
    });
    let done = end(&ended);
    start(&worker, move || {
        let mut buf = [0; 8];
        assert_eq!(io::recv(ours.as_fd(), &mut buf, Some(DEADLINE)).unwrap(), 3);
        assert_eq!(&buf[..3], b"abc");
        done();
    });
    let done = end(&ended);
    start(&worker, move || {
        let parker = Parker::new();
        unparker.send(parker.unparker()).unwrap();
        parker.park(Some(Instant::now() + DEADLINE)).unwrap();
        done();
    });
    let seen = Rc::clone(&ended);
    run(&worker, move |worker| seen.get() == 1 && worker.hibernating() == 2);
    let other = std::thread::spawn(move || {
        theirs.write_all(b"abc").unwrap();
        parked.recv().unwrap().unpark();
        theirs
    });
    let seen = Rc::clone(&ended);
    run(&worker, move |_| seen.get() == 3);
    drop(other.join());
}

struct Noting(Rc<Cell<usize>>);

impl Drop for Noting {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn those_that_hibernate_can_be_cut_and_unwind() {
    let _alone = alone();
    let worker = worker(2);
    let dropped = Rc::new(Cell::new(0));
    for number in 0..200 {
        let noting = Noting(Rc::clone(&dropped));
        start(&worker, move || {
            let _noting = noting;
            if number % 2 == 0 {
                sleep(DEADLINE);
            }
            let error = Parker::new().park(None).unwrap_err();
            assert!(error.get_ref().unwrap().is::<Cut>());
        });
    }
    run(&worker, |worker| worker.hibernating() == 200);
    worker.cut_and_finish().unwrap();
    assert_eq!(dropped.get(), 200);
}

/// They could not be unwound from there, and what has been copied away must not be touched. In a
/// process of its own, for what they hold is never closed.
#[test]
fn a_worker_that_is_dropped_touches_none_of_those_that_hibernate() {
    const NAME: &str =
        "hibernate::tests::a_worker_that_is_dropped_touches_none_of_those_that_hibernate";

    if role().is_none() {
        let _alone = alone();
        let (status, output) = Process::of_test(NAME, "child").wait();
        assert!(status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    let worker = worker(2);
    let dropped = Rc::new(Cell::new(0));
    let noting = Noting(Rc::clone(&dropped));
    start(&worker, move || {
        let _noting = noting;
        sleep(DEADLINE);
    });
    run(&worker, |worker| worker.hibernating() == 1);
    drop(worker);
    assert_eq!(dropped.get(), 0);
}

#[test]
fn a_worker_that_is_never_idle_lets_others_hibernate_some_at_a_time() {
    let _alone = alone();
    let worker = worker(2);
    let is_over = Rc::new(Cell::new(false));
    let over = Rc::clone(&is_over);
    start(&worker, move || {
        while !over.get() {
            yield_now();
        }
    });
    for _ in 0..300 {
        start(&worker, || sleep(DEADLINE));
    }
    let before = Cell::new(0);
    run(&worker, |worker| {
        let now = worker.hibernating();
        assert!(now - before.replace(now) <= super::STACKS, "one turn takes a bounded time");
        now == 300
    });
    is_over.set(true);
    worker.cut_and_finish().unwrap();
}

#[test]
fn one_counts_as_idle_in_the_third_epoch_after_the_one_in_which_it_began_to_wait() {
    let mut scheduler = Scheduler::new(true);
    let begin_epoch = |scheduler: &mut Scheduler<u32>| {
        scheduler.idle().unwrap().begin_epoch();
        scheduler.idle().unwrap().begin_turn();
    };
    let ids: Vec<_> = (0..3).map(|number| scheduler.insert(number)).collect();
    while let Some((id, number)) = scheduler.next() {
        assert!(scheduler.wait(id, None, true));
        scheduler.put_back(id, number);
    }
    for _ in 0..2 {
        begin_epoch(&mut scheduler);
        assert_eq!(scheduler.next_idle(), None);
    }
    // The first waits anew, and the second ends.
    scheduler.wake(ids[0], Woken::Event);
    let (id, number) = scheduler.next().unwrap();
    assert!(scheduler.wait(id, None, true));
    scheduler.put_back(id, number);
    scheduler.wake(ids[1], Woken::Event);
    let (id, _) = scheduler.next().unwrap();
    scheduler.remove(id);
    begin_epoch(&mut scheduler);
    assert_eq!(scheduler.next_idle(), Some(&mut 2));
    assert_eq!(scheduler.next_idle(), None);
    begin_epoch(&mut scheduler);
    assert_eq!(scheduler.next_idle(), None);
    begin_epoch(&mut scheduler);
    assert_eq!(scheduler.next_idle(), Some(&mut 0));
    assert!(scheduler.idle().unwrap().is_empty(), "nobody is left to look at");
}

/// It must not go on with zeros in the place of what it points to.
#[test]
fn a_thread_that_borrows_from_a_stack_that_hibernates_ends_the_process() {
    const NAME: &str =
        "hibernate::tests::a_thread_that_borrows_from_a_stack_that_hibernates_ends_the_process";

    if role().is_some() {
        let worker = worker(2);
        start(&worker, || {
            let shared = std::sync::atomic::AtomicU32::new(7);
            let shared = &shared;
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let begun = Instant::now();
                    while begun.elapsed() < DEADLINE {
                        assert_eq!(shared.load(std::sync::atomic::Ordering::Relaxed), 7);
                    }
                });
                sleep(DEADLINE);
            });
        });
        run(&worker, |_| false);
    }
    let _alone = alone();
    let (status, output) = Process::of_test(NAME, "child").wait();
    assert!(!status.success(), "{output}");
    assert!(!output.contains("panicked"), "{output}");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGSEGV));
}
