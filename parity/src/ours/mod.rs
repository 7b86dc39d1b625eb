//! One traced server of ours, told over standard input what to do: what `python/serve.py` is for
//! Python.

mod behaviour;
mod handlers;
mod hooks;
mod raw;
mod serve;
mod tracing;

pub(crate) use self::serve::serve;
