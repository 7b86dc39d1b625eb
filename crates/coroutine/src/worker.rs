//! A worker: one thread's coroutines, and the loop that lets them take turns.
//!
//! ```text
//!    messages of other threads ──► deadlines ──► each that is ready, once ──► the kernel
//!        ▲                                                                       │
//!        └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The loop runs on the thread's own stack. It switches to a coroutine, and gets control back when
//! that one waits, gives way or ends. There is no other switch: a coroutine never switches to a
//! coroutine. Nothing of the worker's is borrowed during a switch.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::chores::{self, Alarm};
use crate::hibernate;
use crate::reactor::Reactor;
use crate::remote::{Job, Message, Remote};
use crate::scheduler::{Id, Scheduler, Woken};
use crate::stack::{self, Hibernated, Stack, Stacks};
use crate::{Backend, Config};

/// How many operations a coroutine may do in a row, without waiting, before the others get a turn.
const BUDGET: u32 = 64;

/// How long a coroutine may keep the worker before that is told.
const BLOCKED: Duration = Duration::from_millis(100);

/// How many are resumed before the kernel and the other threads are asked for more.
const TURNS: usize = 1024;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
    /// The same, while one of its coroutines runs; for those who ask often.
    static HERE: Cell<Option<NonNull<Worker>>> = const { Cell::new(None) };
}

/// The worker of the coroutine that has this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here(NonNull<Worker>);

impl Deref for Here {
    type Target = Worker;

    #[inline]
    fn deref(&self) -> &Worker {
        // SAFETY: it is made on a coroutine of that worker and never leaves it (it is not `Send`);
        // and a coroutine runs only while its worker's `run` does, which borrows the worker.
        unsafe { self.0.as_ref() }
    }
}

/// One thread's coroutines.
pub(crate) struct Worker {
    remote: Arc<Remote>,
    scheduler: RefCell<Scheduler<Task>>,
    stacks: Stacks,
    pub(crate) reactor: RefCell<Reactor>,
    /// The coroutine that runs, if one does.
    running: Cell<Option<Id>>,
    /// What it keeps on its own stack: set by itself when it begins.
    own: Cell<*const Own>,
    /// What it is called.
    name: Cell<&'static str>,
    budget: Cell<u32>,
    /// When stacks that nobody needs give their memory back.
    trimming: Alarm,
    /// How long an epoch lasts, if stacks hibernate, and when the next begins.
    epoch: Option<Duration>,
    next_epoch: Alarm,
    /// Came in when there was no stack for them.
    backlog: RefCell<Vec<Job>>,
    is_stopping: Cell<bool>,
    /// For the report of an overflow.
    _signal_stack: stack::overflow::Alternate,
}

/// A coroutine. What it needs only while it is awake is on its stack, where there is room for
/// nothing.
struct Task {
    coroutine: Coroutine<(), (), (), Stack>,
    /// Null before it has begun. Not to be followed while it hibernates.
    own: *const Own,
    /// Its frames, while it hibernates.
    frames: Option<Box<Hibernated>>,
}

/// What a coroutine keeps at the beginning of its own stack.
struct Own {
    /// How to leave it.
    yielder: *const Yielder<(), ()>,
    /// Where its frames end, when it has left.
    mark: Cell<usize>,
    /// What it does before it waits.
    before_wait: Cell<Option<Hook>>,
    bounds: stack::Bounds,
    /// What it is called in the message of an overflow.
    name: &'static str,
}

impl Task {
    /// Where its frames are, unless it has not begun, or hibernates.
    fn own(&self) -> Option<&Own> {
        if self.own.is_null() || self.frames.is_some() {
            return None;
        }
        // SAFETY: it is on the stack of this coroutine, which is suspended, so that it has begun
        // and not ended, and whose frames are where they belong.
        Some(unsafe { &*self.own })
    }

    fn hibernate(&mut self, stacks: &Stacks) {
        let Some(own) = self.own() else { return };
        let (bounds, mark) = (own.bounds, own.mark.get());
        // What cannot be copied away stays where it is.
        // SAFETY: it waits, so it has been suspended, with that mark. Whoever resumes it wakes it
        // before, and it is never dropped while it hibernates. What else might use its stack meets
        // a guard.
        self.frames = unsafe { stacks.hibernate(bounds, mark) }.ok().map(Box::new);
    }

    /// Whether it may be resumed: not when the kernel has no mapping for its stack just now.
    fn wake(&mut self) -> bool {
        let Some(frames) = self.frames.take() else { return true };
        match frames.wake() {
            Ok(()) => true,
            Err((frames, _)) => {
                self.frames = Some(Box::new(frames));
                false
            }
        }
    }
}

/// What is called before a wait.
pub(crate) type Hook = &'static dyn Fn();

impl Worker {
    /// Makes a worker of this thread.
    pub(crate) fn new(config: &Config, remote: Arc<Remote>) -> io::Result<Rc<Self>> {
        use std::os::fd::AsFd;

        let reactor = Reactor::new(config.backend, remote.as_fd())?;
        let stacks = Stacks::new(stack::Config {
            stack_size: config.stack_size,
            ..stack::Config::default()
        })?;
        let epoch = config.hibernate_after.map(|after| after / 2);
        if epoch.is_some() {
            // Found out now, and not in the midst of the coroutines.
            stack::margin()?;
        }
        Ok(Rc::new(Self {
            remote,
            scheduler: RefCell::new(Scheduler::new(epoch.is_some())),
            stacks,
            reactor: RefCell::new(reactor),
            running: Cell::new(None),
            own: Cell::new(std::ptr::null()),
            name: Cell::new(""),
            budget: Cell::new(0),
            trimming: Alarm::default(),
            epoch,
            next_epoch: Alarm::default(),
            backlog: RefCell::default(),
            is_stopping: Cell::new(false),
            _signal_stack: stack::overflow::install()?,
        }))
    }

    /// What the kernel does not do for it; see [`Workers::fall_backs`](crate::Workers::fall_backs).
    pub(crate) fn fall_backs(&self, config: &Config) -> Vec<&'static str> {
        let backend = self.reactor.borrow().backend();
        let uring = config.backend == Backend::Auto && backend != Backend::IoUring;
        let guards = self.stacks.guards() == stack::Guards::Protected;
        let all = [(uring, "io_uring"), (guards, "MADV_GUARD_INSTALL")];
        all.into_iter().filter_map(|(is_one, what)| is_one.then_some(what)).collect()
    }

    /// The worker whose coroutine calls; `None` on an ordinary thread.
    ///
    /// And `None` while a panic unwinds, for the thread counts its panics: were another coroutine
    /// to run meanwhile and to panic too, the process would end. A wait blocks the worker then.
    pub(crate) fn current() -> Option<Rc<Self>> {
        let worker = CURRENT.with_borrow(Clone::clone)?;
        if worker.running.get().is_none() || std::thread::panicking() {
            return None;
        }
        Some(worker)
    }

    /// As [`current`](Self::current), for use on the spot.
    #[inline]
    pub(crate) fn here() -> Option<Here> {
        let worker = HERE.get()?;
        if std::thread::panicking() {
            return None;
        }
        Some(Here(worker))
    }

    /// As [`here`](Self::here), and also while a panic unwinds: for what does not wait.
    #[inline]
    pub(crate) fn here_at_any_time() -> Option<Here> {
        HERE.get().map(Here)
    }

    /// Which coroutine runs.
    pub(crate) fn running(&self) -> Option<Id> {
        self.running.get()
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// Suspends the coroutine that runs until it is woken, or until `deadline`.
    ///
    /// This is the one place where coroutines wait. It may return without a reason, so callers
    /// look whether what they wait for has happened, and wait again.
    pub(crate) fn wait(&self, deadline: Option<Instant>, can_be_cut: bool) -> Woken {
        let Some(id) = self.running.get() else {
            return Woken::Event;
        };
        let own = self.own();
        // Taken out meanwhile, for it may have to wait itself.
        if let Some(hook) = own.before_wait.take() {
            hook();
            own.before_wait.set(Some(hook));
        }
        if !self.scheduler.borrow_mut().wait(id, deadline, can_be_cut) {
            return Woken::Cut;
        }
        self.leave();
        self.scheduler.borrow_mut().woken(id)
    }

    /// Lets the others take their turns.
    pub(crate) fn yield_now(&self) {
        if let Some(id) = self.running.get() {
            self.scheduler.borrow_mut().yield_now(id);
            self.leave();
        }
    }

    /// Counts an operation that did not have to wait; after many in a row the others get a turn.
    pub(crate) fn spend(&self) {
        match self.budget.get() {
            0 => self.yield_now(),
            left => self.budget.set(left - 1),
        }
    }

    /// Replaces what the coroutine that runs does before it waits.
    pub(crate) fn before_wait(&self, hook: Option<Hook>) -> Option<Hook> {
        self.running.get().and_then(|_| self.own().before_wait.replace(hook))
    }

    /// Whether the coroutine that runs has been cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.running.get().is_some_and(|id| self.scheduler.borrow_mut().is_cut(id))
    }

    fn leave(&self) {
        let own = self.own();
        // SAFETY: it lies on the stack of the coroutine that runs, which has set it and which this
        // is called on; so it lives at least until this returns.
        let yielder = unsafe { &*own.yielder };
        stack::suspend(yielder, &own.mark);
    }

    /// What the coroutine that runs keeps on its stack; called by it.
    fn own(&self) -> &Own {
        // SAFETY: it lies on the stack of the coroutine that runs, which has set it when it began,
        // and which this is called on. It stays there until the coroutine ends.
        unsafe { &*self.own.get() }
    }

    /// Starts a coroutine on this worker; it runs when the one that calls waits.
    ///
    /// # Errors
    ///
    /// Gives `code` back when there is no stack to be had, and why.
    pub(crate) fn spawn<F: FnOnce() + 'static>(
        self: &Rc<Self>,
        code: F,
    ) -> Result<Id, (F, io::Error)> {
        match self.reserve() {
            Ok(stack) => Ok(self.start(stack, std::any::type_name::<F>(), code)),
            Err(error) => Err((code, error)),
        }
    }

    /// Takes a stack, to start a coroutine on.
    ///
    /// # Errors
    ///
    /// When there is none to be had.
    pub(crate) fn reserve(&self) -> io::Result<Stack> {
        self.stacks.take()
    }

    /// Starts a coroutine on a stack of this worker.
    pub(crate) fn start<F: FnOnce() + 'static>(
        self: &Rc<Self>,
        stack: Stack,
        name: &'static str,
        code: F,
    ) -> Id {
        let bounds = stack.bounds();
        let worker = Rc::clone(self);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            let (mark, before_wait) = (Cell::new(0), Cell::new(None));
            let own = Own { yielder, mark, before_wait, bounds, name };
            worker.own.set(&raw const own);
            worker.name.set(name);
            drop(worker);
            // Until it is left, as whenever it is resumed.
            std::mem::forget(stack::overflow::running(bounds, name));
            // Whoever wants to know of a panic has caught it before.
            let _ = catch_unwind(AssertUnwindSafe(code));
        });
        self.remote.add_load();
        let task = Task { coroutine, own: std::ptr::null(), frames: None };
        self.scheduler.borrow_mut().insert(task)
    }

    /// Lets a coroutine go on, if it waits.
    pub(crate) fn wake(&self, id: Id) {
        self.scheduler.borrow_mut().wake(id, Woken::Event);
    }

    /// Runs `until` says so, which is asked between two turns.
    pub(crate) fn run(self: &Rc<Self>, mut until: impl FnMut(&Self) -> bool) -> io::Result<()> {
        let before = CURRENT.replace(Some(Rc::clone(self)));
        let _restore = Restore(before);
        let mut messages = Vec::new();
        let mut woken = Vec::new();
        loop {
            self.remote.receive(&mut messages);
            for message in messages.drain(..) {
                self.handle(message);
            }
            self.scheduler.borrow_mut().expire();
            // Not those that become ready meanwhile, so that the kernel is asked in between.
            let ready = self.scheduler.borrow().ready();
            for _ in 0..ready.min(TURNS) {
                self.resume_next();
            }
            if until(self) {
                return Ok(());
            }
            self.wait_for_kernel(&mut woken)?;
        }
    }

    /// Cuts all coroutines that are left, and runs until they have ended.
    pub(crate) fn cut_and_finish(self: &Rc<Self>) -> io::Result<()> {
        self.scheduler.borrow_mut().cut_all(None);
        self.is_stopping.set(true);
        self.run(Self::is_finished)
    }

    /// Whether nothing is left to do and no more will be taken.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_stopping.get()
            && self.scheduler.borrow().len() == 0
            && self.backlog.borrow().is_empty()
            && self.remote.close()
    }

    fn wait_for_kernel(&self, woken: &mut Vec<Id>) -> io::Result<()> {
        let chores = self.do_chores();
        let is_idle = self.scheduler.borrow().ready() == 0 && chores != Some(Duration::ZERO);
        let may_sleep = is_idle && self.remote.fall_asleep();
        let timeout = match self.scheduler.borrow().next_deadline() {
            _ if !may_sleep => Some(Duration::ZERO),
            // What became due since is found by asking again.
            Some(next) => {
                let left = next.saturating_duration_since(Instant::now());
                Some(chores.map_or(left, |chores| chores.min(left)))
            }
            None => chores,
        };
        let waited = self.reactor.borrow_mut().wait(timeout, woken);
        if may_sleep {
            self.remote.wake_up();
        }
        let mut scheduler = self.scheduler.borrow_mut();
        for id in woken.drain(..) {
            scheduler.wake(id, Woken::Event);
        }
        waited
    }

    /// Gives memory back where it is time to; returns how long it has time.
    pub(crate) fn do_chores(&self) -> Option<Duration> {
        let trim = chores::trim(&self.stacks, &self.trimming);
        let hibernate = self.epoch.and_then(|epoch| {
            let scheduler = &mut self.scheduler.borrow_mut();
            let hibernate = |task: &mut Task| task.hibernate(&self.stacks);
            hibernate::turn(scheduler, hibernate, &self.next_epoch, epoch)
        });
        trim.into_iter().chain(hibernate).min()
    }

    /// How many hibernate.
    #[cfg(test)]
    pub(crate) fn hibernating(&self) -> usize {
        let scheduler = self.scheduler.borrow();
        scheduler.coroutines().filter(|task| task.frames.is_some()).count()
    }

    fn handle(self: &Rc<Self>, message: Message) {
        match message {
            Message::Spawn(job) => {
                // It was counted when it was sent.
                self.remote.remove_load();
                if let Err((job, _)) = self.spawn(job) {
                    self.remote.add_load();
                    self.backlog.borrow_mut().push(job);
                    self.start_backlog();
                }
            }
            Message::Wake(id) => self.scheduler.borrow_mut().wake(id, Woken::Event),
            Message::Cut(except) => self.scheduler.borrow_mut().cut_all(except),
            Message::Stop => self.is_stopping.set(true),
        }
    }

    /// Starts what came in when there was no stack for it.
    fn start_backlog(self: &Rc<Self>) {
        while let Some(job) = { self.backlog.borrow_mut().pop() } {
            self.remote.remove_load();
            match self.spawn(job) {
                Ok(_) => {}
                // Nobody is left whose end would free a stack; the thread's own is as good.
                Err((job, _)) if self.scheduler.borrow().len() == 0 => job(),
                Err((job, _)) => {
                    self.remote.add_load();
                    self.backlog.borrow_mut().push(job);
                    return;
                }
            }
        }
    }

    fn resume_next(self: &Rc<Self>) {
        let Some((id, mut task)) = ({ self.scheduler.borrow_mut().next() }) else {
            return;
        };
        if !task.wake() {
            self.scheduler.borrow_mut().put_off(id, task);
            return;
        }
        self.running.set(Some(id));
        self.own.set(task.own);
        self.budget.set(BUDGET);
        let registered = task
            .own()
            .map_or_else(Default::default, |own| stack::overflow::running(own.bounds, own.name));
        // One that begins sets it itself.
        self.name.set(task.own().map_or("", |own| own.name));
        HERE.set(Some(NonNull::from(&**self)));
        let watch = self.remote.on_blocked.get().map(|told| (told, chores::now()));
        let result = task.coroutine.resume(());
        HERE.set(None);
        if let Some((told, before)) = watch {
            let elapsed = chores::now().saturating_sub(before);
            if elapsed >= BLOCKED {
                told(self.name.get(), elapsed);
            }
        }
        drop(registered);
        self.running.set(None);
        match result {
            CoroutineResult::Yield(()) => {
                task.own = self.own.get();
                self.scheduler.borrow_mut().put_back(id, task);
            }
            CoroutineResult::Return(()) => {
                self.scheduler.borrow_mut().remove(id);
                drop(task.coroutine.into_stack());
                self.remote.remove_load();
                if !self.backlog.borrow().is_empty() {
                    self.start_backlog();
                }
            }
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Coroutines that have not ended are kept for ever, for they cannot be unwound from here: what they
/// have on their stacks may be pointed to, or the stack hibernates.
impl Drop for Worker {
    fn drop(&mut self) {
        let mut scheduler = self.scheduler.borrow_mut();
        scheduler.drain().for_each(std::mem::forget);
        while let Some(job) = { self.backlog.borrow_mut().pop() } {
            drop(job);
        }
    }
}

/// Makes the thread's former worker its current one again.
struct Restore(Option<Rc<Worker>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
