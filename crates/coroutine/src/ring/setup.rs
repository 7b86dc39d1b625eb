//! Making a ring, and whether this kernel can.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::{IoUring, Probe, opcode};

use super::{Carried, Config, Ring};

/// How many completions fit for each entry of the submission queue. More than fit are kept by the
/// kernel, at a price.
const COMPLETIONS: u32 = 8;

/// Every operation that [`Ring`] pushes.
const OPERATIONS: [(u8, &str); 6] = [
    (opcode::Accept::CODE, "accept"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
    (opcode::PollAdd::CODE, "poll_add"),
    (opcode::Close::CODE, "close"),
    (opcode::AsyncCancel::CODE, "async_cancel"),
];

/// Sets up the ring with the best flags that the kernel takes.
///
/// With deferred task work nothing interrupts the thread: what completes, does so in its next
/// `io_uring_enter`. Linux 6.0 has all that is needed but that.
pub(super) fn set_up(entries: u32) -> io::Result<IoUring> {
    let entries = entries.max(1);
    let mut builder = IoUring::builder();
    builder
        .setup_clamp()
        .setup_cqsize(entries.saturating_mul(COMPLETIONS))
        .setup_submit_all()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_taskrun_flag();
    match builder.clone().setup_defer_taskrun().build(entries) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => builder.build(entries),
        made => made,
    }
}

/// See [`Ring::probe`].
pub(super) fn probe() -> io::Result<()> {
    let config = Config { entries: 4, buffer_count: 1, buffer_size: 64 };
    let mut ring = Ring::new(&config)?;
    let mut probe = Probe::new();
    ring.kernel.submitter().register_probe(&mut probe).map_err(|e| refused("probe", &e))?;
    if let Some((_, name)) = OPERATIONS.iter().find(|(code, _)| !probe.is_supported(*code)) {
        return Err(unsupported(format!("io_uring: this kernel has no operation {name}")));
    }
    let parameters = ring.kernel.params();
    let features = [
        (parameters.is_feature_nodrop(), "nodrop"),
        (parameters.is_feature_ext_arg(), "ext_arg"),
        (parameters.is_feature_fast_poll(), "fast_poll"),
        (parameters.is_feature_skip_cqe_on_success(), "cqe_skip"),
    ];
    if let Some((_, name)) = features.iter().find(|(is_there, _)| !is_there) {
        return Err(unsupported(format!("io_uring: this kernel has no feature {name}")));
    }
    try_out(&mut ring).map_err(|e| refused("a multishot receive", &e))
}

/// A multishot receive has no bit that tells of it; and a filter may refuse what the kernel has.
fn try_out(ring: &mut Ring) -> io::Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    ring.recv_multi(&ours, 0);
    theirs.write_all(b"?")?;
    ring.submit_and_wait(1, Some(Duration::from_secs(1)))?;
    match ring.pop() {
        Some(completion) => match (completion.result?, completion.carried) {
            (1, Carried::Buffer(buffer)) if *buffer == *b"?" && completion.more => Ok(()),
            _ => Err(io::Error::other("it has received something else")),
        },
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// `error`, and what it was about.
pub(super) fn refused(what: &str, error: &io::Error) -> io::Error {
    let kind = match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL) => io::ErrorKind::Unsupported,
        _ => error.kind(),
    };
    let hint = match error.raw_os_error() {
        Some(libc::ENOSYS) => "; this kernel has no io_uring",
        Some(libc::EINVAL) => "; this kernel is older than 6.0",
        Some(libc::EPERM | libc::EACCES) => {
            "; a container's filter, or kernel.io_uring_disabled, forbids it"
        }
        _ => "",
    };
    io::Error::new(kind, format!("io_uring: {what}: {error}{hint}"))
}

fn unsupported(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}
