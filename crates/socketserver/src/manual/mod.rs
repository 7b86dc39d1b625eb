//! The manual: how to use the crate, and why it is as it is.
//!
//! | page | what it answers |
//! |---|---|
//! | [`from_python`] | What is each name of Python's module called here? How are Python's own examples written? |
//! | [`choosing_a_mixin`] | One at a time, a thread each, a process each, or a coroutine each? |
//! | [`overriding`] | Where does each hook live, and how is its default called? |
//! | [`shutting_down`] | How is a server stopped, in what order do things happen, and what becomes of requests that run? |
//! | [`accepting`] | What happens when a request cannot be accepted? |
//! | [`forking`] | Why is it sound to fork, and what must a program mind that does? |
//! | [`coroutines`] | What parks and what blocks? How many threads, how large a stack, and what if there is not enough of something? |
//! | [`holding_across_a_wait`] | What must a handler on a coroutine not hold while it waits, and what finds it? |
//! | [`reading_and_writing`] | What do `rfile` and `wfile` promise, and which mode is right? |
//! | [`datagrams`] | How large, from where, to whom, and what when nobody reads the reply? |
//! | [`sessions`] | How is everything that one peer sends served by one handler? |
//! | [`unix_sockets`] | Who makes the path, who removes it, and who may connect? |
//! | [`defaults`] | What is the default of each setting, and why? |
//! | [`differences`] | Where does a server behave other than Python's, and why? |
//!
//! These modules hold prose and no code. Every example on them is a test.

pub mod accepting {
    #![doc = include_str!("accepting.md")]
}
pub mod choosing_a_mixin {
    #![doc = include_str!("choosing_a_mixin.md")]
}
#[cfg(feature = "coroutine")]
pub mod coroutines {
    #![doc = include_str!("coroutines.md")]
}
pub mod datagrams {
    #![doc = include_str!("datagrams.md")]
}
pub mod defaults {
    #![doc = include_str!("defaults.md")]
}
pub mod differences {
    #![doc = include_str!("differences.md")]
}
pub mod forking {
    #![doc = include_str!("forking.md")]
}
pub mod from_python {
    #![doc = include_str!("from_python.md")]
}
#[cfg(feature = "coroutine")]
pub mod holding_across_a_wait {
    #![doc = include_str!("holding_across_a_wait.md")]
}
pub mod overriding {
    #![doc = include_str!("overriding.md")]
}
pub mod reading_and_writing {
    #![doc = include_str!("reading_and_writing.md")]
}
pub mod sessions {
    #![doc = include_str!("sessions.md")]
}
pub mod shutting_down {
    #![doc = include_str!("shutting_down.md")]
}
pub mod unix_sockets {
    #![doc = include_str!("unix_sockets.md")]
}

/// The example of the crate's README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
