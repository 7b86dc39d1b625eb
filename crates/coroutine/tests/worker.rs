//! Coroutines on one worker and on several: their turns, their waits, their ends.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use socketserver_coroutine::{
    Backend, Config, Cut, Parker, Workers, in_coroutine, io, run, sleep, spawn, yield_now,
};

const DEADLINE: Duration = Duration::from_secs(5);

/// Runs a test on each of the reactors.
fn on_each(code: impl Fn() + Clone + 'static) {
    // Others of this binary look for what is left.
    let _alone = testkit::alone();
    run_on_each(code);
}

fn run_on_each(code: impl Fn() + Clone + 'static) {
    for backend in [Backend::Epoll, Backend::IoUring] {
        let mut config = Config::default();
        config.backend = backend;
        run(&config, code.clone()).unwrap();
    }
}

#[test]
fn coroutines_take_turns() {
    on_each(|| {
        let (sender, receiver) = mpsc::channel();
        let children: Vec<_> = (0..3)
            .map(|child| {
                let sender = sender.clone();
                spawn(move || {
                    for turn in 0..3 {
                        sender.send((turn, child)).unwrap();
                        yield_now();
                    }
                })
            })
            .collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        drop(sender);
        let order: Vec<_> = receiver.iter().collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(order, sorted);
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines_and_not_before() {
    on_each(|| {
        let begun = Instant::now();
        let (sender, receiver) = mpsc::channel();
        for ms in [30, 10, 20] {
            let sender = sender.clone();
            spawn(move || {
                sleep(Duration::from_millis(ms));
                assert!(begun.elapsed() >= Duration::from_millis(ms));
                sender.send(ms).unwrap();
            });
        }
        drop(sender);
        sleep(Duration::from_millis(40));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [10, 20, 30]);
    });
}

#[test]
fn a_panic_of_a_coroutine_is_its_handles_and_others_go_on() {
    on_each(|| {
        let failing = spawn(|| panic!("on purpose"));
        let other = spawn(|| 7);
        assert!(failing.join().unwrap_err().downcast_ref::<&str>().is_some());
        assert_eq!(other.join().unwrap(), 7);
    });
}

#[test]
fn a_receive_parks_and_data_comes_before_the_time_out() {
    on_each(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        io::adopt(ours.as_fd());
        let mut buf = [0; 8];
        let nothing = Some(Duration::ZERO);
        let error = io::recv(ours.as_fd(), &mut buf, nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        theirs.write_all(b"abc").unwrap();
        assert_eq!(io::recv(ours.as_fd(), &mut buf, nothing).unwrap(), 3);
        let later = spawn(move || {
            sleep(Duration::from_millis(10));
            theirs.write_all(b"de").unwrap();
            theirs
        });
        assert_eq!(io::recv(ours.as_fd(), &mut buf, Some(DEADLINE)).unwrap(), 2);
        drop(later.join().unwrap());
        assert_eq!(io::recv(ours.as_fd(), &mut buf, None).unwrap(), 0);
        assert!(io::is_at_end(ours.as_fd()));
        io::release(ours.as_raw_fd());
    });
}

/// Its number is soon another's, who must not be taken for it.
#[test]
fn a_socket_that_is_released_while_a_panic_unwinds_is_forgotten() {
    struct Adopted(UnixStream);

    impl Drop for Adopted {
        fn drop(&mut self) {
            io::release(self.0.as_raw_fd());
        }
    }

    on_each(|| {
        let number = spawn(|| {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            io::adopt(ours.as_fd());
            let adopted = Adopted(ours);
            // The kernel watches it from now on.
            let waited = io::recv(adopted.0.as_fd(), &mut [0], Some(Duration::from_millis(1)));
            assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
            std::panic::resume_unwind(Box::new(adopted.0.as_raw_fd()));
        });
        let number = *number.join().unwrap_err().downcast::<i32>().unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        let (ours, mut theirs) =
            if one.as_raw_fd() == number { (one, other) } else { (other, one) };
        let later = spawn(move || {
            sleep(Duration::from_millis(10));
            theirs.write_all(b"a").unwrap();
            theirs
        });
        assert_eq!(io::recv(ours.as_fd(), &mut [0], Some(DEADLINE)).unwrap(), 1);
        later.join().unwrap();
    });
}

#[test]
fn a_socket_that_nobody_has_adopted_is_waited_for_too() {
    on_each(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reader = spawn(move || {
            let mut buf = [0; 1 << 16];
            let mut received = 0;
            while let len @ 1.. = io::recv(ours.as_fd(), &mut buf, Some(DEADLINE)).unwrap() {
                received += len;
            }
            received
        });
        let data = vec![7; 3 << 20];
        let mut sent = 0;
        while sent < data.len() {
            sent += io::send(theirs.as_fd(), &data[sent..], Some(DEADLINE)).unwrap();
        }
        drop(theirs);
        assert_eq!(reader.join().unwrap(), data.len());
    });
}

#[test]
fn a_send_waits_for_room_and_times_out() {
    on_each(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        io::adopt(ours.as_fd());
        io::set_timeout(ours.as_fd(), Some(Duration::from_millis(20)));
        let data = vec![7; 1 << 20];
        let mut sent = 0;
        let error = loop {
            match io::send(ours.as_fd(), &data, None) {
                Ok(len) => sent += len,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        io::release(ours.as_raw_fd());
        drop(ours);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), sent);
    });
}

#[test]
fn a_coroutine_that_never_waits_lets_others_run() {
    on_each(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for end in [&ours, &theirs] {
            io::adopt(end.as_fd());
        }
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = spawn(move || {
            while counted.fetch_add(1, Ordering::Relaxed) < 10 {
                yield_now();
            }
        });
        let mut byte = [7];
        for _ in 0..10_000 {
            io::send(ours.as_fd(), &byte, None).unwrap();
            io::recv(theirs.as_fd(), &mut byte, None).unwrap();
        }
        assert!(turns.load(Ordering::Relaxed) > 10);
        other.join().unwrap();
        for end in [ours, theirs] {
            io::release(end.as_raw_fd());
        }
    });
}

#[test]
fn one_that_is_cut_fails_in_its_waits_and_unwinds_from_its_sleep() {
    thread_local!(static DROPPED: Cell<usize> = const { Cell::new(0) });
    struct Noting;
    impl Drop for Noting {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    on_each(|| {
        DROPPED.set(0);
        let (ours, theirs) = UnixStream::pair().unwrap();
        spawn(|| {
            let _noting = Noting;
            sleep(DEADLINE);
        });
        spawn(move || {
            let _noting = Noting;
            let error = io::recv(ours.as_fd(), &mut [0], None).unwrap_err();
            assert!(error.get_ref().unwrap().is::<Cut>());
            drop(theirs);
        });
        yield_now();
    });
    assert_eq!(DROPPED.get(), 2);
}

#[test]
fn workers_run_what_they_are_given_and_end() {
    let _alone = testkit::alone();
    for backend in [Backend::Epoll, Backend::IoUring] {
        let mut config = Config::default();
        config.backend = backend;
        let workers = Workers::start("worker", 2, &config).unwrap();
        let (sender, receiver) = mpsc::channel();
        for number in 0..1000 {
            let sender = sender.clone();
            let job = Box::new(move || {
                assert!(in_coroutine());
                sleep(Duration::from_millis(number % 7));
                sender.send(number).unwrap();
            });
            assert!(workers.spawn(job).is_ok());
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 1000);
        assert!(workers.stop(Some(DEADLINE)));
        assert!(workers.spawn(Box::new(|| {})).is_err());
    }
}

#[test]
fn a_parked_coroutine_is_woken_from_another_thread() {
    on_each(|| {
        for _ in 0..200 {
            let parker = Parker::new();
            let unparker = parker.unparker();
            let thread = std::thread::spawn(move || unparker.unpark());
            parker.park(Some(Instant::now() + DEADLINE)).unwrap();
            thread.join().unwrap();
        }
    });
}

#[test]
fn many_clients_are_echoed_on_one_thread() {
    let _alone = testkit::alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients = std::thread::spawn(move || {
        for _ in 0..2 {
            let mut all: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
            for (number, client) in all.iter_mut().enumerate() {
                client.set_read_timeout(Some(DEADLINE)).unwrap();
                client.write_all(format!("{number:04}").as_bytes()).unwrap();
            }
            for (number, client) in all.iter_mut().enumerate().rev() {
                let mut reply = [0; 4];
                client.read_exact(&mut reply).unwrap();
                assert_eq!(reply, format!("{number:04}").as_bytes());
            }
        }
    });
    let listener = Arc::new(listener);
    run_on_each(move || {
        let listener = Arc::clone(&listener);
        let listening = io::Listening::new(listener.as_fd(), false).unwrap();
        let parker = Parker::new();
        listener.set_nonblocking(true).unwrap();
        let mut children = Vec::new();
        while children.len() < 50 {
            let Ok((stream, _)) = listener.accept() else {
                listening.wait(listener.as_fd(), &parker).unwrap();
                continue;
            };
            children.push(spawn(move || {
                io::adopt(stream.as_fd());
                let mut buf = [0; 64];
                while let len @ 1.. = io::recv(stream.as_fd(), &mut buf, None).unwrap_or(0) {
                    let _ = io::send(stream.as_fd(), &buf[..len], None);
                }
                io::release(stream.as_raw_fd());
            }));
        }
        children.into_iter().for_each(|child| child.join().unwrap());
    });
    clients.join().unwrap();
}
