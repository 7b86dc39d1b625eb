use testkit::alone;

use super::{in_a_process_of_its_own, mappings, small, stacks, take_all, touch};
use crate::stack::mapping::{Mapping, is_guarded, page_size};
use crate::stack::{Config, Guards, mappings as budget};

const BOTH: [Guards; 2] = [Guards::Installed, Guards::Protected];

fn configs() -> impl Iterator<Item = Config> {
    let kinds = BOTH.into_iter();
    let kinds = kinds.filter(|kind| *kind == Guards::Protected || super::has_installed_guards());
    kinds.map(|kind| Config { guards: Some(kind), keep_warm: 0, ..small() })
}

#[test]
fn the_page_below_each_stack_is_guarded_and_the_stack_is_not() {
    let _alone = alone();
    for config in configs() {
        let stacks = stacks(config);
        assert_eq!(Some(stacks.guards()), config.guards);
        let taken: Vec<_> = (0..300).map(|_| stacks.take().unwrap()).collect();
        for bounds in taken.iter().map(super::Stack::bounds) {
            let low = bounds.low();
            assert!(is_guarded(low.wrapping_sub(1)));
            assert!(is_guarded(low.wrapping_sub(low.addr() - bounds.limit())));
            assert!(!is_guarded(low));
            assert!(!is_guarded(bounds.base().as_ptr().wrapping_sub(1)));
        }
    }
}

#[test]
fn guards_stay_when_stacks_are_trimmed() {
    let _alone = alone();
    for config in configs() {
        let stacks = stacks(config);
        let kept = stacks.take().unwrap();
        let stack = stacks.take().unwrap();
        let bounds = stack.bounds();
        touch(&stack, config.stack_size);
        drop(stack);
        stacks.trim();
        assert_eq!(bounds.used(), 0, "it was trimmed");
        assert!(is_guarded(bounds.low().wrapping_sub(1)), "{:?}", config.guards);
        let stack = stacks.take().unwrap();
        assert_eq!(stack.bounds(), bounds);
        touch(&stack, config.stack_size);
        drop(kept);
    }
}

/// Guards that split mappings leave some to the rest of the process, and the stacks can be used
/// again after a refusal.
#[test]
fn protected_guards_end_in_a_refusal_before_the_mappings_do() {
    const NAME: &str = "guards::protected_guards_end_in_a_refusal_before_the_mappings_do";

    in_a_process_of_its_own(NAME, || {
        let before = mappings();
        let config = Config { guards: Some(Guards::Protected), ..small() };
        let stacks_of_all = stacks(config);
        let (mut taken, error) = take_all(&stacks_of_all);
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        assert!(taken.len() > budget::most() / 2 - 200, "{}", taken.len());
        assert!(mappings() <= before + budget::most(), "{}", mappings());
        std::thread::spawn(|| {}).join().expect("there are mappings for a thread");
        taken.pop();
        let again = stacks_of_all.take().expect("one has been given back");
        touch(&again, 4096);
        drop((again, taken, stacks_of_all));
        assert!(mappings() < before + 16, "they are unmapped");
        let _stack = stacks(config).take().expect("what was counted is given back");
    });
}

/// Other than the stacks', here: guards of no stack take every mapping that there is.
#[test]
fn a_kernel_without_another_mapping_makes_an_error() {
    const NAME: &str = "guards::a_kernel_without_another_mapping_makes_an_error";

    in_a_process_of_its_own(NAME, || {
        let refusal = refusal_of_the_kernel();
        assert_eq!(refusal, "no more stacks: vm.max_map_count allows no more mappings");
    });
}

fn refusal_of_the_kernel() -> String {
    let page = page_size();
    let filler = Mapping::new(200_000 * page).expect("address space");
    let stacks = stacks(Config { guards: Some(Guards::Protected), ..small() });
    let first = stacks.take().unwrap();
    let mut taken = Vec::with_capacity(1000);
    // Every other page, so that each guard splits the mapping.
    for at in (0..200_000).step_by(2) {
        // SAFETY: nothing uses the filler.
        if unsafe { filler.guard(at * page, Guards::Protected) }.is_err() {
            break;
        }
    }
    // Nothing may be needed of the allocator until the filler is gone.
    let error = loop {
        match stacks.take() {
            Ok(stack) => taken.push(stack),
            Err(error) => break error,
        }
        assert!(taken.len() < 1000, "the kernel refuses");
    };
    drop(filler);
    touch(&first, 4096);
    drop(taken);
    error.to_string()
}
