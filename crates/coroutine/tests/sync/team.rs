//! Those who take part in a scenario, on threads or on coroutines.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use socketserver_coroutine::{Backend, Config, JoinHandle, Workers, run, spawn};
use testkit::DEADLINE;

/// Starts those who take part.
pub(crate) enum Team {
    Threads,
    /// On one worker, together with the scenario itself.
    Coroutines,
    /// Each third on a thread, the others on two workers by turns; the scenario on a thread.
    Mixed(Workers, AtomicUsize),
}

/// One who takes part.
pub(crate) enum Member {
    Coroutine(JoinHandle<()>),
    Other(mpsc::Receiver<Result<(), Box<dyn Any + Send>>>),
}

/// Runs `scenario` with every team there is.
pub(crate) fn everywhere(scenario: fn(&Team)) {
    let _alone = testkit::alone();
    scenario(&Team::Threads);
    on_each_back_end(scenario);
    let workers = Workers::start("socketserver", 2, &Config::default()).unwrap();
    let team = Team::Mixed(workers, AtomicUsize::new(0));
    scenario(&team);
    if let Team::Mixed(workers, _) = team {
        assert!(workers.stop(Some(DEADLINE)), "all coroutines have ended");
    }
}

/// Runs `scenario` with coroutines, where who runs next is known.
pub(crate) fn coroutines(scenario: fn(&Team)) {
    let _alone = testkit::alone();
    on_each_back_end(scenario);
}

/// The second time with stacks that are copied away in every wait of a millisecond, which shows that
/// nobody else points into them.
fn on_each_back_end(scenario: fn(&Team)) {
    for (backend, hibernate_after) in
        [(Backend::Auto, None), (Backend::Epoll, Some(Duration::from_millis(1)))]
    {
        let mut config = Config::default();
        config.backend = backend;
        config.hibernate_after = hibernate_after;
        run(&config, move || scenario(&Team::Coroutines)).unwrap();
    }
}

impl Team {
    pub(crate) fn start(&self, code: impl FnOnce() + Send + 'static) -> Member {
        let (result, end) = mpsc::channel();
        match self {
            Self::Coroutines => return Member::Coroutine(spawn(code)),
            Self::Threads => drop(thread::spawn(move || finish(code, &result))),
            Self::Mixed(workers, count) => match count.fetch_add(1, Ordering::Relaxed) % 3 {
                0 => drop(thread::spawn(move || finish(code, &result))),
                turn => {
                    let code = Box::new(move || finish(code, &result));
                    assert!(workers.spawn_on(turn - 1, code).is_ok(), "the workers run");
                }
            },
        }
        Member::Other(end)
    }

    /// Starts `count` of them, who are told their numbers, and waits until all have ended.
    pub(crate) fn all(&self, count: usize, code: impl Fn(usize) + Clone + Send + 'static) {
        let members: Vec<_> = (0..count)
            .map(|number| {
                let code = code.clone();
                self.start(move || code(number))
            })
            .collect();
        for member in members {
            member.join();
        }
    }
}

impl Member {
    /// Waits for the end; a panic goes on here.
    #[track_caller]
    pub(crate) fn join(self) {
        let result = match self {
            Self::Coroutine(handle) => handle.join(),
            Self::Other(end) => end.recv_timeout(DEADLINE).expect("an end"),
        };
        if let Err(payload) = result {
            resume_unwind(payload);
        }
    }
}

fn finish(code: impl FnOnce(), result: &mpsc::Sender<Result<(), Box<dyn Any + Send>>>) {
    let _ = result.send(catch_unwind(AssertUnwindSafe(code)));
}
