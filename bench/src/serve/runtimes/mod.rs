//! The same work on the runtimes that there are, written as their own documentation does.

pub(super) mod hyper;
pub(super) mod may;
pub(super) mod monoio;
pub(super) mod smol;
pub(super) mod tokio;
