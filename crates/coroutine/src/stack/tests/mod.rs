mod guards;
mod hibernating;
mod overflowing;
mod pooling;

use std::io;

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
