//! What a good programmer writes without a framework.

pub(super) mod epoll;
pub(super) mod lines;
pub(super) mod std;
pub(super) mod udp;
pub(super) mod uring;
