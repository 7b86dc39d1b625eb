use testkit::alone;

use super::{in_a_process_of_its_own, mappings, small, stacks, take_all, touch};
use crate::stack::{Config, Stacks};

#[test]
fn the_stack_given_back_last_is_taken_first() {
    let _alone = alone();
    let stacks = stacks(small());
    let [a, b] = [stacks.take().unwrap(), stacks.take().unwrap()];
    let (at_a, at_b) = (a.bounds(), b.bounds());
    assert_eq!(stacks.live(), 2);
    drop(a);
    drop(b);
    assert_eq!(stacks.live(), 0);
    assert_eq!(stacks.take().unwrap().bounds(), at_b);
    let _b = stacks.take().unwrap();
    assert_eq!(stacks.take().unwrap().bounds(), at_a);
}

#[test]
fn stacks_are_aligned_of_the_size_asked_for_and_apart() {
    let _alone = alone();
    let stacks = stacks(Config { stack_size: 10_000, ..Config::default() });
    assert_eq!(stacks.stack_size() % 4096, 0);
    assert!(stacks.stack_size() >= 10_000);
    let taken: Vec<_> = (0..1000).map(|_| stacks.take().unwrap()).collect();
    let mut bounds: Vec<_> = taken.iter().map(super::Stack::bounds).collect();
    bounds.sort_by_key(|bounds| bounds.limit());
    for (bounds, next) in bounds.iter().zip(&bounds[1..]) {
        assert_eq!(bounds.size(), stacks.stack_size());
        assert_eq!(bounds.base().addr().get() % corosensei::stack::STACK_ALIGNMENT, 0);
        assert!(bounds.limit() < bounds.low().addr());
        assert!(bounds.base().addr().get() <= next.limit());
    }
}

#[test]
fn a_size_beyond_reason_is_refused() {
    let _alone = alone();
    for stack_size in [usize::MAX, usize::MAX / 2, 1 << 50] {
        let error = Stacks::new(Config { stack_size, ..Config::default() }).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn no_more_stacks_are_in_use_than_allowed() {
    let _alone = alone();
    let stacks = stacks(Config { max_stacks: 300, ..small() });
    let (mut taken, error) = take_all(&stacks);
    assert_eq!(error.kind(), std::io::ErrorKind::QuotaExceeded);
    assert_eq!((taken.len(), stacks.live()), (300, 300));
    taken.pop();
    let _again = stacks.take().expect("one has been given back");
    assert_eq!(stacks.take().unwrap_err().kind(), std::io::ErrorKind::QuotaExceeded);
}

#[test]
fn a_stack_outlives_what_it_was_taken_from() {
    let _alone = alone();
    let stacks = stacks(small());
    let [a, b] = [stacks.take().unwrap(), stacks.take().unwrap()];
    drop(a);
    drop(stacks);
    touch(&b, 64 * 1024);
    assert_eq!(b.bounds().used(), 64 * 1024);
}

#[test]
fn all_address_space_is_unmapped_with_the_last_stack() {
    const NAME: &str = "pooling::all_address_space_is_unmapped_with_the_last_stack";

    in_a_process_of_its_own(NAME, || {
        // At 16 MiB each.
        let last: Vec<_> = (0..1000).map(|_| stacks(small()).take().unwrap()).collect();
        let with = address_space();
        assert!(with > 16_000 << 20, "{with} bytes");
        drop(last);
        let without = address_space();
        assert!(without < with - (15_000 << 20), "{without} bytes of {with}");
    });
}

/// Bytes that this process has mapped.
fn address_space() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap() * crate::stack::mapping::page_size()
}

#[test]
fn a_hundred_thousand_stacks_take_few_mappings() {
    const NAME: &str = "pooling::a_hundred_thousand_stacks_take_few_mappings";

    in_a_process_of_its_own(NAME, || {
        if !super::has_installed_guards() {
            return;
        }
        let before = mappings();
        let stacks = stacks(small());
        let taken: Vec<_> = (0..100_000).map(|_| stacks.take().unwrap()).collect();
        let more = mappings() - before;
        assert!(more <= 100_000 / 64, "{more} mappings");
        drop(taken);
        drop(stacks);
        assert!(mappings() < before + 16, "they are unmapped");
    });
}

#[test]
fn the_high_water_mark_is_the_most_that_was_used_of_any_stack() {
    let _alone = alone();
    let stacks = stacks(small());
    assert_eq!(stacks.high_water_mark(), 0);
    let [a, b] = [stacks.take().unwrap(), stacks.take().unwrap()];
    touch(&a, 3 * 4096);
    touch(&b, 4096);
    assert_eq!((a.bounds().used(), b.bounds().used()), (3 * 4096, 4096));
    assert_eq!(stacks.high_water_mark(), 3 * 4096);
    drop(a);
    touch(&b, 2 * 4096);
    assert_eq!(stacks.high_water_mark(), 3 * 4096);
}

#[test]
fn trimming_gives_back_all_but_the_warm_stacks() {
    let _alone = alone();
    let stacks = stacks(Config { keep_warm: 2, ..small() });
    let kept = stacks.take().unwrap();
    let taken: Vec<_> = (0..10).map(|_| stacks.take().unwrap()).collect();
    let bounds: Vec<_> = taken.iter().map(super::Stack::bounds).collect();
    taken.iter().for_each(|stack| touch(stack, 2 * 4096));
    drop(taken);
    assert!(stacks.is_trimmable());
    assert!(!stacks.trim());
    assert!(!stacks.is_trimmable());
    let used: Vec<_> = bounds.iter().map(|bounds| bounds.used()).collect();
    assert_eq!(used, [0, 0, 0, 0, 0, 0, 0, 0, 2 * 4096, 2 * 4096]);
    assert_eq!(stacks.high_water_mark(), 2 * 4096, "what is gone is remembered");
    // What was trimmed can be used again, and be trimmed again.
    let taken: Vec<_> = (0..10).map(|_| stacks.take().unwrap()).collect();
    taken.iter().for_each(|stack| touch(stack, 4096));
    drop(taken);
    assert!(stacks.is_trimmable());
    stacks.trim();
    assert_eq!(bounds.iter().filter(|bounds| bounds.used() != 0).count(), 2);
    drop(kept);
}

#[test]
fn trimming_unmaps_the_chunks_that_are_not_in_use() {
    let _alone = alone();
    let stacks = stacks(Config { keep_warm: 10, ..small() });
    let mut taken: Vec<_> = (0..5000).map(|_| stacks.take().unwrap()).collect();
    taken.iter().for_each(|stack| touch(stack, 4096));
    let bounds: Vec<_> = taken.iter().map(super::Stack::bounds).collect();
    // One in the middle stays in use, and so does its chunk.
    let kept = taken.swap_remove(2500);
    drop(taken);
    let mut calls = 0;
    while stacks.trim() {
        calls += 1;
        assert!(calls < 100, "trimming comes to an end");
    }
    assert!(calls > 0, "it does a part at a time");
    let resident = bounds.iter().filter(|bounds| bounds.used() != 0).count();
    assert_eq!(resident, 11, "the warm ones, and the one in use");
    assert_eq!(stacks.high_water_mark(), 4096);
    touch(&kept, 2 * 4096);
    // The rest is whole.
    let taken: Vec<_> = (0..5000).map(|_| stacks.take().unwrap()).collect();
    taken.iter().for_each(|stack| touch(stack, 64 * 1024));
    assert_eq!(stacks.high_water_mark(), 64 * 1024);
    let mut limits: Vec<_> = taken.iter().map(|stack| stack.bounds().limit()).collect();
    limits.push(kept.bounds().limit());
    limits.sort_unstable();
    limits.dedup();
    assert_eq!(limits.len(), 5001, "no stack was given out twice");
    drop(taken);
    drop(kept);
}

#[test]
fn stacks_whose_chunk_was_to_be_unmapped_can_still_be_taken() {
    let _alone = alone();
    let stacks = stacks(Config { keep_warm: 0, ..small() });
    let take = |count| -> Vec<_> { (0..count).map(|_| stacks.take().unwrap()).collect() };
    let taken = take(5000);
    let mut before: Vec<_> = taken.iter().map(|stack| stack.bounds().limit()).collect();
    drop(taken);
    assert!(stacks.trim(), "there is more than one call does");
    let taken = take(5000);
    let mut after: Vec<_> = taken.iter().map(|stack| stack.bounds().limit()).collect();
    before.sort_unstable();
    after.sort_unstable();
    let again = after.iter().filter(|limit| before.binary_search(limit).is_ok()).count();
    assert!(again > 2500, "{again} of them are the same");
    after.dedup();
    assert_eq!(after.len(), 5000, "no stack was given out twice");
    taken.iter().for_each(|stack| touch(stack, 64 * 1024));
}
