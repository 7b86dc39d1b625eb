//! Datagrams in batches, and trains of them as one: the limit for UDP.
//!
//! `recvmmsg` takes whatever has come, some of it joined by the kernel (`UDP_GRO`). What one peer
//! has sent in a row goes back in one call, to be cut by the kernel (`UDP_SEGMENT`), and the rest
//! with one `sendmmsg`.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
    sendmsg, setsockopt,
};

use crate::Result;
use crate::serve::announce;

/// How many messages are received at once.
const BATCH: usize = 64;
/// The most that one message may have.
const SIZE: usize = 1 << 16;

/// One message that came: how long, cut after how many bytes each, from whom.
type Came = (usize, u16, Option<SockaddrIn>);

pub(in crate::serve) fn serve() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // Where the kernel cannot join datagrams, they come one by one.
    let _ = setsockopt(&socket, UdpGroSegment, &true);
    announce(socket.local_addr()?.port())?;
    let fd = socket.as_raw_fd();
    let mut buffers = vec![vec![0; SIZE]; BATCH];
    let mut incoming = MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(i32)));
    let mut outgoing = MultiHeaders::preallocate(BATCH, None);
    let mut came: Vec<Came> = Vec::with_capacity(BATCH);
    loop {
        came.clear();
        receive(fd, &mut incoming, &mut buffers, &mut came)?;
        let mut rest: &[Came] = &came;
        let mut at = 0;
        let mut singles = Vec::with_capacity(BATCH);
        let mut peers = Vec::with_capacity(BATCH);
        while let Some(&(_, size, peer)) = rest.first() {
            let count = train(rest);
            let parts: Vec<_> = (at..at + count)
                .zip(rest)
                .map(|(index, (count, ..))| IoSlice::new(&buffers[index][..*count]))
                .collect();
            if count > 1 || rest[0].0 > usize::from(size) {
                let cut = [ControlMessage::UdpGsoSegments(&size)];
                sendmsg(fd, &parts, &cut, MsgFlags::empty(), peer.as_ref())?;
            } else {
                singles.push(parts);
                peers.push(peer);
            }
            at += count;
            rest = &rest[count..];
        }
        let mut sent = 0;
        while sent < singles.len() {
            let (parts, peers, flags) = (&singles[sent..], &peers[sent..], MsgFlags::empty());
            sent += sendmmsg(fd, &mut outgoing, parts, peers, [], flags)?.count();
        }
    }
}

/// How many of the first messages can go out as one: those of one peer, cut alike, the last of
/// which alone may end with a shorter datagram, and no more than the kernel takes.
fn train(came: &[Came]) -> usize {
    let Some(&(length, size, peer)) = came.first() else { return 0 };
    let is_whole = |length: usize| size > 0 && length.is_multiple_of(usize::from(size));
    let (mut bytes, mut count, mut before) = (length, 1, length);
    for &(length, other, whose) in &came[1..] {
        bytes += length;
        let segments = bytes.div_ceil(usize::from(size).max(1));
        if whose != peer || other != size || !is_whole(before) || segments > 64 || bytes > 60_000 {
            break;
        }
        before = length;
        count += 1;
    }
    count
}

/// Waits for one datagram, and takes what else is there.
fn receive(
    fd: RawFd,
    headers: &mut MultiHeaders<SockaddrIn>,
    buffers: &mut [Vec<u8>],
    came: &mut Vec<Came>,
) -> Result<()> {
    let mut parts: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    let messages = match recvmmsg(fd, headers, &mut parts, MsgFlags::MSG_WAITFORONE, None) {
        Err(Errno::EINTR) => return Ok(()),
        result => result?,
    };
    for message in messages {
        let size = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(size) => u16::try_from(size).ok(),
            _ => None,
        });
        let whole = u16::try_from(message.bytes).unwrap_or(u16::MAX);
        came.push((message.bytes, size.unwrap_or(whole), message.address));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_peer_sent_in_a_row_goes_out_as_one() {
        let [one, other] = [1, 2].map(|port| Some(SockaddrIn::new(127, 0, 0, 1, port)));
        assert_eq!(train(&[]), 0);
        assert_eq!(train(&[(64, 64, one)]), 1);
        assert_eq!(train(&[(64, 64, one), (64, 64, one), (64, 64, other)]), 2);
        assert_eq!(train(&[(64, 64, one), (32, 32, one)]), 1, "of another size");
        assert_eq!(train(&[(640, 64, one), (640, 64, one)]), 2, "joined already");
        assert_eq!(train(&[(630, 64, one), (640, 64, one)]), 1, "a short one in the middle");
        assert_eq!(train(&[(64 * 64, 64, one), (64, 64, one)]), 1, "too many");
        assert_eq!(train(&[(0, 0, one), (0, 0, one)]), 1, "empty ones");
    }
}
