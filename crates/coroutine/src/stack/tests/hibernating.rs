use std::cell::{Cell, RefCell};
use std::rc::Rc;

use corosensei::{Coroutine, Yielder};
use testkit::alone;

use super::{small, stacks};
use crate::stack::hibernation::copy;
use crate::stack::mapping::is_guarded;
use crate::stack::{Bounds, Config, Guards, Stack, Stacks, margin, suspend};

/// A coroutine, with what its stack is known by.
struct Sleeper {
    coroutine: Coroutine<(), (), u64, Stack>,
    bounds: Bounds,
    mark: Rc<Cell<usize>>,
}

impl Sleeper {
    fn new(stacks: &Stacks, body: impl FnOnce(&dyn Fn()) -> u64 + 'static) -> Self {
        let stack = stacks.take().unwrap();
        let bounds = stack.bounds();
        let mark = Rc::new(Cell::new(0));
        let noted = Rc::clone(&mark);
        let run = move |yielder: &Yielder<(), ()>, ()| body(&|| suspend(yielder, &noted));
        Self { coroutine: Coroutine::with_stack(stack, run), bounds, mark }
    }

    /// Lets it run until it suspends or returns.
    fn resume(&mut self) -> Option<u64> {
        self.coroutine.resume(()).as_return()
    }
}

/// Locals filled with a pattern in a number of frames, each of which is checked after the wait.
#[inline(never)]
fn frames(depth: u64, seed: u64, wait: &dyn Fn()) -> u64 {
    let mut locals = [0; 24];
    for (index, local) in locals.iter_mut().enumerate() {
        *local = seed.wrapping_mul(31).wrapping_add(index as u64) ^ depth;
    }
    let locals = std::hint::black_box(locals);
    let here = &raw const locals;
    let deeper = if depth == 0 { wait_twice(wait) } else { frames(depth - 1, seed, wait) };
    assert_eq!(std::hint::black_box(here), &raw const locals);
    for (index, local) in locals.iter().enumerate() {
        assert_eq!(*local, seed.wrapping_mul(31).wrapping_add(index as u64) ^ depth);
    }
    deeper.wrapping_add(locals[0])
}

#[inline(never)]
fn wait_twice(wait: &dyn Fn()) -> u64 {
    wait();
    wait();
    0
}

#[test]
fn a_coroutine_finds_its_frames_as_it_left_them_after_hibernating() {
    let _alone = alone();
    frames_are_as_they_were(&stacks(small()));
}

#[test]
fn a_coroutine_finds_its_frames_as_it_left_them_with_guards_that_take_mappings() {
    let _alone = alone();
    frames_are_as_they_were(&stacks(Config { guards: Some(Guards::Protected), ..small() }));
}

fn frames_are_as_they_were(stacks: &Stacks) {
    let mut sleepers: Vec<_> = (0..200)
        .map(|seed| Sleeper::new(stacks, move |wait| frames(seed % 20, seed, wait)))
        .collect();
    let expected: Vec<_> = (0..200)
        .map(|seed| {
            let mut awake = Sleeper::new(stacks, move |wait| frames(seed % 20, seed, wait));
            assert_eq!((awake.resume(), awake.resume()), (None, None));
            awake.resume()
        })
        .collect();
    let margin = margin().unwrap();
    for _ in 0..2 {
        let mut hibernated = Vec::new();
        for sleeper in &mut sleepers {
            assert_eq!(sleeper.resume(), None);
            let (bounds, mark) = (sleeper.bounds, sleeper.mark.get());
            // SAFETY: it has just suspended there, and is resumed after it was woken.
            hibernated.push((unsafe { stacks.hibernate(bounds, mark) }, bounds, mark));
        }
        // Nothing may panic before they are woken, since that would drop them.
        let seen: Vec<_> = hibernated
            .into_iter()
            .map(|(frames, bounds, mark)| {
                let is_guarded = is_guarded(bounds.low().wrapping_sub(1))
                    && is_guarded(bounds.base().as_ptr().wrapping_sub(1));
                let used = bounds.used();
                let size = frames.map(|frames| {
                    let size = frames.len();
                    assert!(frames.size() < size, "they are written down in fewer bytes");
                    assert!(frames.wake().is_ok());
                    size
                });
                (size, bounds.base().addr().get() - mark, used, is_guarded)
            })
            .collect();
        for (size, in_use, used, is_guarded) in seen {
            let size = size.unwrap();
            assert!((in_use + margin..in_use + margin + 16).contains(&size), "no more is copied");
            assert_eq!(used, 0, "all memory is given back");
            assert!(is_guarded, "the guard stays, and what the frames were on is one");
        }
    }
    let found: Vec<_> = sleepers.iter_mut().map(Sleeper::resume).collect();
    assert_eq!(found, expected);
    assert!(stacks.high_water_mark() >= 4096);
}

/// Whatever was below what is copied is lost, so this would fail if a register or a frame that is
/// needed were there.
#[test]
fn a_coroutine_that_hibernated_can_be_unwound() {
    struct Noted(Rc<RefCell<Vec<u64>>>, u64);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }

    let _alone = alone();
    let stacks = stacks(small());
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&dropped);
    let mut sleeper = Sleeper::new(&stacks, move |wait| {
        let _first = Noted(Rc::clone(&notes), 1);
        let _second = Noted(Rc::clone(&notes), 2);
        frames(5, 7, wait)
    });
    assert_eq!(sleeper.resume(), None);
    // SAFETY: it has just suspended there, and is dropped after it was woken.
    let frames = unsafe { stacks.hibernate(sleeper.bounds, sleeper.mark.get()) };
    frames.unwrap().wake().unwrap();
    drop(sleeper);
    assert_eq!(*dropped.borrow(), [2, 1]);
    assert_eq!(stacks.live(), 0);
}

/// What [`margin`] is for: nothing that a suspended coroutine needs lies below it. The stacks here
/// are overwritten there, with all else as it was.
#[test]
fn nothing_below_the_margin_is_needed() {
    let _alone = alone();
    let stacks = stacks(small());
    let margin = margin().unwrap();
    assert!((64..16 * 1024).contains(&margin), "{margin}");
    for seed in 0..100 {
        let mut sleeper = Sleeper::new(&stacks, move |wait| frames(seed % 7, seed, wait));
        while sleeper.resume().is_none() {
            let low = sleeper.bounds.low();
            let len = sleeper.mark.get() - margin - low.addr();
            // SAFETY: the bytes are of the stack of a coroutine that is suspended, below all that
            // it has there.
            unsafe { copy([0xa5; 64 * 1024].as_ptr(), low, len) };
        }
    }
}

#[test]
fn a_coroutine_that_has_not_suspended_does_not_hibernate() {
    let _alone = alone();
    let stacks = stacks(small());
    let sleeper = Sleeper::new(&stacks, |wait| frames(0, 0, wait));
    // SAFETY: it is refused.
    let refused = unsafe { stacks.hibernate(sleeper.bounds, sleeper.mark.get()) };
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
