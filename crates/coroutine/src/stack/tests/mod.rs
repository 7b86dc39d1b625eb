mod guards;
mod hibernating;
mod overflowing;
mod pooling;

use std::io;

use testkit::{Process, alone, role};

use super::{Config, Guards, Stack, Stacks};

/// How many mappings this process has.
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().count()
}

fn stacks(config: Config) -> Stacks {
    Stacks::new(config).expect("stacks of a common size")
}

fn small() -> Config {
    Config { stack_size: 64 * 1024, ..Config::default() }
}

/// Takes stacks until there are none.
fn take_all(stacks: &Stacks) -> (Vec<Stack>, io::Error) {
    let mut taken = Vec::new();
    loop {
        match stacks.take() {
            Ok(stack) => taken.push(stack),
            Err(error) => return (taken, error),
        }
    }
}

/// Touches the highest `len` bytes of a stack.
fn touch(stack: &Stack, len: usize) {
    let base = stack.bounds().base().as_ptr();
    for distance in (1..=len).step_by(1024) {
        // SAFETY: the stack has so many bytes, and nobody else uses it.
        unsafe { base.wrapping_sub(distance).write(1) };
    }
}

/// Whether the kernel can be asked for guards that take no mapping.
fn has_installed_guards() -> bool {
    stacks(small()).guards() == Guards::Installed
}

/// Runs `test`, which is called `name`, in a process of its own: what it counts is the process's.
#[track_caller]
fn in_a_process_of_its_own(name: &str, test: fn()) {
    if role().is_some() {
        return test();
    }
    let _alone = alone();
    let (status, output) = Process::of_test(&format!("stack::tests::{name}"), "child").wait();
    assert!(status.success(), "{output}");
    assert!(output.contains("1 passed"), "there is such a test: {output}");
}
