//! Datagrams in batches, and trains of them as one: the limit for UDP.
//!
//! `recvmmsg` takes whatever has come; what the kernel has joined (`UDP_GRO`) goes back as it
//! came, to be cut again by the kernel (`UDP_SEGMENT`), and the rest with one `sendmmsg`.

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
type Came = (usize, Option<u16>, Option<SockaddrIn>);

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
        receive(fd, &mut incoming, &mut buffers, &mut came)?;
        let mut singles = Vec::with_capacity(BATCH);
        let mut peers = Vec::with_capacity(BATCH);
        for ((count, size, peer), buffer) in came.drain(..).zip(&buffers) {
            let parts = [IoSlice::new(&buffer[..count])];
            match size {
                Some(size) if usize::from(size) < count => {
                    let cut = [ControlMessage::UdpGsoSegments(&size)];
                    sendmsg(fd, &parts, &cut, MsgFlags::empty(), peer.as_ref())?;
                }
                _ => {
                    singles.push(parts);
                    peers.push(peer);
                }
            }
        }
        let mut sent = 0;
        while sent < singles.len() {
            let (parts, peers, flags) = (&singles[sent..], &peers[sent..], MsgFlags::empty());
            sent += sendmmsg(fd, &mut outgoing, parts, peers, [], flags)?.count();
        }
    }
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
        came.push((message.bytes, size, message.address));
    }
    Ok(())
}
