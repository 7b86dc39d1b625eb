//! Blocking code that takes turns on one thread: coroutines with stacks of their own.
//!
//! A *worker* is a thread that lets its coroutines take turns. Where one would wait, by the means of
//! this crate, the worker leaves it where it is, with all that is on its stack, and goes on with
//! another; there is no `async`. It is the engine under the mix-in `Coroutine` of `socketserver`,
//! and knows nothing of servers.
//!
//! ```
//! use std::time::Duration;
//! use socketserver_coroutine::{Config, run, sleep, spawn};
//!
//! let sum = run(&Config::default(), || {
//!     let sleepers: Vec<_> = (0..1000_u32)
//!         .map(|number| {
//!             spawn(move || {
//!                 sleep(Duration::from_millis(10)); // all of them at the same time
//!                 number
//!             })
//!         })
//!         .collect();
//!     sleepers.into_iter().map(|sleeper| sleeper.join().unwrap()).sum::<u32>()
//! })?;
//! assert_eq!(sum, 499_500);
//! # std::io::Result::Ok(())
//! ```
//!
//! | to | there is |
//! |---|---|
//! | run coroutines on this thread | [`run`] |
//! | run them on several | [`Workers`] |
//! | start one from another | [`spawn`], [`try_spawn`]; without `Send`, [`Reserved`] |
//! | wait for time, or give way | [`sleep`], [`yield_now`] |
//! | wait for each other | [`sync`], [`JoinHandle`], and under them [`Parker`] |
//! | talk to others | [`net`]; any descriptor, by [`io`](mod@io) |
//! | call what blocks | [`blocking`](fn@blocking) |
//! | have stacks, or a ring, without the rest | [`stack`], [`ring`] |
//!
//! On an ordinary thread the same functions block it, as the standard library does, and [`spawn`]
//! starts a thread; so code that uses them need not know where it runs.
//!
//! # What holds
//!
//! * A coroutine stays on its worker for life. Two of one worker never run at the same moment.
//! * Worker and coroutine share the thread: what is thread-wide (a lock of `std`'s that is held, a
//!   borrowed thread-local) must not be held across a wait.
//! * A coroutine can be *cut*, all of a worker's at once: each of its waits then fails, with
//!   `ConnectionAborted`, and one that cannot return an error unwinds, with [`Cut`].
//! * While a panic unwinds nothing parks: a wait blocks the worker then.
//! * One that overflows its stack ends the process, with a message that names it.
//! * Workers wait by `io_uring` or by `epoll`; see [`Backend`].
//!
//! All of `unsafe` is here for one of two things: to switch stacks, and to lend memory to the
//! kernel. Each use has its reason beside it.
#![cfg(target_os = "linux")]
#![warn(clippy::print_stdout)]

pub mod blocking;
mod chores;
mod config;
mod hibernate;
pub mod io;
mod mailbox;
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

pub use self::blocking::blocking;
pub use self::config::{Backend, Config, MIN_STACK_SIZE};
pub use self::park::{
    Cut, Parker, Unparker, before_wait, current, in_coroutine, is_cut, sleep, yield_now,
};
pub use self::remote::{Job, OnBlocked};
pub use self::spawn::{JoinHandle, Reserved, run, spawn, try_spawn};
pub use self::workers::Workers;

/// The example of the crate's README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
