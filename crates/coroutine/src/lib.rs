//! Blocking code that takes turns on one thread: coroutines with stacks of their own.
#![cfg(target_os = "linux")]
#![warn(clippy::print_stdout)]

mod park;

pub use self::park::{Parker, Unparker};
