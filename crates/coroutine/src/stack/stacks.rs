use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use corosensei::stack::StackPointer;

use super::bounds::Bounds;
use super::config::{Config, Guards, Layout};
use super::pool::{Pool, Slot};

/// The stacks of one worker: all of one size, reused, bounded.
///
/// When it is dropped, the stacks that are in use stay valid.
///
/// ```
/// use corosensei::Coroutine;
/// use socketserver_coroutine::stack::{Config, Stack, Stacks};
///
/// let stacks = Stacks::new(Config { stack_size: 64 * 1024, ..Config::default() })?;
/// let mut coroutine: Coroutine<(), u32, (), Stack> =
///     Coroutine::with_stack(stacks.take()?, |yielder, ()| yielder.suspend(7));
/// assert_eq!(coroutine.resume(()).as_yield(), Some(7));
/// assert_eq!(stacks.live(), 1);
/// drop(coroutine);
/// assert_eq!(stacks.live(), 0);
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread:
///
/// ```compile_fail
/// use socketserver_coroutine::stack::{Config, Stacks};
///
/// let stacks = Stacks::new(Config::default()).unwrap();
/// std::thread::spawn(move || drop(stacks));
/// ```
#[derive(Debug)]
pub struct Stacks {
    pub(super) shared: Rc<Shared>,
}

/// A stack for one coroutine at a time. It goes back to where it came from when it is dropped.
#[derive(Debug)]
pub struct Stack {
    slot: Slot,
    shared: Rc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    layout: Layout,
    pub(super) pool: RefCell<Pool>,
}

impl Stacks {
    /// Stacks as `config` says. None is mapped yet.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the size is beyond reason. `Unsupported`, or the kernel's own refusal,
    /// when it does not have the guards that were asked for. As `mmap(2)` for the page that they
    /// are tried on.
    pub fn new(config: Config) -> io::Result<Self> {
        let layout = Layout::new(config.stack_size)?;
        let guards = Guards::choose(config.guards)?;
        let pool = RefCell::new(Pool::new(config, layout, guards));
        Ok(Self { shared: Rc::new(Shared { layout, pool }) })
    }

    /// A stack. What it holds is left from whoever had it before.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` when `max_stacks` are in use. `OutOfMemory` when the kernel has no more
    /// mappings or no more address space. Nothing is lost then: it may be tried again, and gets a
    /// stack as soon as one is given back.
    #[inline]
    pub fn take(&self) -> io::Result<Stack> {
        let slot = self.shared.pool.borrow_mut().take()?;
        Ok(Stack { slot, shared: Rc::clone(&self.shared) })
    }

    /// What the guards are made of.
    pub fn guards(&self) -> Guards {
        self.shared.pool.borrow().guards
    }

    /// Bytes of a stack, without its guard.
    pub fn stack_size(&self) -> usize {
        self.shared.layout.size
    }

    /// How many stacks are in use.
    pub fn live(&self) -> usize {
        self.shared.pool.borrow().live()
    }

    /// The most bytes that have been used of any stack so far, in whole pages.
    ///
    /// It asks the kernel about each stack, at about a microsecond each, and misses pages that
    /// were swapped out.
    pub fn high_water_mark(&self) -> usize {
        self.shared.pool.borrow_mut().high_water_mark()
    }

    /// Gives memory of free stacks back to the system, except that of the `keep_warm` given back
    /// last; some of it at a time, within about half a millisecond. Returns whether there is
    /// more.
    pub fn trim(&self) -> bool {
        self.shared.pool.borrow_mut().trim()
    }

    /// Whether [`trim`](Self::trim) has something to give back.
    pub fn is_trimmable(&self) -> bool {
        self.shared.pool.borrow().is_trimmable()
    }
}

impl Stack {
    /// Where it lies.
    #[inline]
    pub fn bounds(&self) -> Bounds {
        Bounds::of_slot(self.slot.base, self.shared.layout)
    }
}

impl Drop for Stack {
    #[inline]
    fn drop(&mut self) {
        self.shared.pool.borrow_mut().give(self.slot);
    }
}

// SAFETY: there is a guard page at the low end, made before the stack could be taken. The size is
// at least `MIN_STACK_SIZE`, and both ends are ends of pages, so that they are aligned. The memory
// is this stack's alone, since its slot is not on the list of free ones, and its chunk is not
// unmapped while the slot is in use.
unsafe impl corosensei::stack::Stack for Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.slot.base.addr()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        let base = self.slot.base.addr();
        StackPointer::new(base.get() - self.shared.layout.slot()).unwrap_or(base)
    }
}
