//! Blocking code that takes turns on one thread: coroutines with stacks of their own.
#![cfg(target_os = "linux")]
#![warn(clippy::print_stdout)]

pub mod blocking;
mod config;
pub mod io;
mod park;
pub mod stack;
mod reactor;
mod remote;
pub mod ring;
mod scheduler;
mod spawn;
mod stack_shim;
pub mod sync;
mod timer;
mod worker;
mod workers;

pub use self::config::{Backend, Config, MIN_STACK_SIZE};
pub use self::park::{Cut, Parker, Unparker, current, in_coroutine, is_cut, sleep, yield_now};
pub use self::remote::Job;
pub use self::spawn::{JoinHandle, run, spawn, spawn_local, try_spawn};
pub use self::workers::Workers;
