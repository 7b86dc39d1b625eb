//! The manual: how to use the crate, and why it is as it is.
//!
//! These modules hold prose and no code.

pub mod accepting {
    #![doc = include_str!("accepting.md")]
}
pub mod forking {
    #![doc = include_str!("forking.md")]
}
