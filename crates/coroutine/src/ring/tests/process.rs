//! Rings and processes: a child that was forked, and one that may not have a ring.

use std::thread;

use socketserver_sys::process::{Exit, Threads, fork, wait};

use super::*;

/// A filter that refuses `io_uring_setup` to this thread, as containers have it.
fn forbid_io_uring(errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let mut filter = [
        // The number of the call is at the beginning.
        step(LOAD, 0, 0),
        libc::sock_filter { jf: 1, ..step(JUMP_IF_EQUAL, 0, libc::SYS_io_uring_setup as u32) },
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: it takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program is of that length, and the kernel copies it.
    let set = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    assert_eq!(set, 0);
}

#[test]
fn where_it_is_forbidden_or_missing_the_probe_says_so() {
    let _alone = alone();
    let expected = [
        (libc::EPERM, io::ErrorKind::PermissionDenied, "forbids"),
        (libc::ENOSYS, io::ErrorKind::Unsupported, "no io_uring"),
        (libc::EINVAL, io::ErrorKind::Unsupported, "older"),
    ];
    for (errno, kind, word) in expected {
        let probed = thread::spawn(move || {
            forbid_io_uring(errno);
            (Ring::probe().unwrap_err(), Ring::new(&SMALL).unwrap_err())
        });
        let (probed, made) = probed.join().unwrap();
        assert_eq!((probed.kind(), made.kind()), (kind, kind));
        assert!(probed.to_string().contains(word), "{probed}");
    }
}

/// The child can neither push into the parent's queue nor take the parent's completions, and the
/// parent's buffers stay its own while the child lives.
#[test]
fn a_ring_does_nothing_in_a_forked_child() {
    let _alone = alone();
    let mut ring = Some(ring(&SMALL));
    let (server, mut client) = pair();
    let (go, mut gate) = UnixStream::pair().unwrap();
    gate.set_read_timeout(Some(2 * DEADLINE)).unwrap();
    client.write_all(b"parent").unwrap();
    let in_parent = ring.as_mut().unwrap();
    in_parent.recv(&server, 0, 1);
    in_parent.submit_and_wait(1, Some(DEADLINE)).unwrap();
    let child = fork(Threads::Several, || {
        let mut ring = ring.take().unwrap();
        let has_popped = ring.pop().is_some();
        for token in 0..100 {
            ring.send(&server, b"child".to_vec(), 0..5, token);
        }
        let is_refused = ring.submit_and_wait(1, None).is_err();
        drop(ring);
        let is_told = gate.read(&mut [0]).is_ok();
        u8::from(!has_popped && is_refused && is_told)
    })
    .unwrap();
    let mut ring = ring.unwrap();
    for round in 0..20_u8 {
        let expected: &[u8] = if round == 0 { b"parent" } else { &[round] };
        assert_eq!(bytes(&next(&mut ring)), expected);
        client.write_all(&[round + 1]).unwrap();
        ring.recv(&server, 0, 1);
    }
    (&go).write_all(b"x").unwrap();
    assert_eq!(wait(&child), Exit::Status(1));
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
