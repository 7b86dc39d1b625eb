//! Blocking code that takes turns on one thread: coroutines with stacks of their own.
#![cfg(target_os = "linux")]
#![warn(clippy::print_stdout)]

pub mod blocking;
mod chores;
mod config;
mod hibernate;
pub mod io;
pub mod net;
mod park;
mod reactor;
mod remote;
pub mod ring;
mod scheduler;
mod spawn;
pub mod stack;
pub mod sync;
mod timer;
mod worker;
mod workers;

pub use self::config::{Backend, Config, MIN_STACK_SIZE};
pub use self::blocking::blocking;
pub use self::park::{
    Cut, Parker, Unparker, before_wait, current, in_coroutine, is_cut, sleep, yield_now,
};
pub use self::remote::Job;
pub use self::spawn::{JoinHandle, Reserved, run, spawn, try_spawn};
pub use self::workers::Workers;
