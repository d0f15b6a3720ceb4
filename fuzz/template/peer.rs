//! This end of the socket of a process that serves.

use super::frames::{self, EXITED, PREPARING, READY, TEMPLATE, frame};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Longer than anything takes here on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) struct Peer {
    pub(super) socket: UnixStream,
    /// A copy of the other end, to be closed by force.
    other: Option<UnixStream>,
    octets: Vec<u8>,
    /// Whether others may read what comes here, and leave the rest of a message.
    pub(super) is_shared: bool,
}

/// What a template said of a child's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exit {
    pub(super) id: u64,
    pub(super) wait_status: i32,
}

impl Peer {
    pub(super) fn new(socket: UnixStream) -> Self {
        Peer { socket, other: None, octets: Vec::new(), is_shared: false }
    }

    /// One whose other end is to go to a new process.
    pub(super) fn pair() -> Self {
        let (socket, other) = UnixStream::pair().expect("a socket pair");
        Peer { socket, other: Some(other), octets: Vec::new(), is_shared: false }
    }

    /// A new template below another.
    pub(super) fn template_of(root: &Peer, id: u64) -> Self {
        let mut peer = Self::pair();
        let theirs = peer.other.as_ref().expect("it has one").as_fd();
        assert!(root.send(&frames::fork(id, PREPARING), &[theirs]) && peer.send(&frame(TEMPLATE, 0, b""), &[]));
        let ready = peer.wait(|kind, _| kind == READY).expect("it gets ready");
        assert_eq!(ready.len(), 4);
        peer
    }

    /// The other end of it.
    pub(super) fn other(&self) -> Option<BorrowedFd<'_>> {
        self.other.as_ref().map(AsFd::as_fd)
    }

    /// Sends as much as there is room for. False: nothing.
    pub(super) fn send(&self, octets: &[u8], descriptors: &[BorrowedFd<'_>]) -> bool {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(octets)], &mut control, flags).is_ok()
    }

    /// Takes in what has come. The sockets that came with it.
    pub(super) fn take_in(&mut self) -> Vec<OwnedFd> {
        let mut came = Vec::new();
        let mut buffer = [0; 4096];
        // Who sends for ever is not listened to for ever.
        for _ in 0..64 {
            let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let received = rustix::net::recvmsg(&self.socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags);
            let octets = received.map_or(0, |received| received.bytes);
            came.extend(control.drain().flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => rights.collect::<Vec<_>>(),
                _ => Vec::new(),
            }));
            if octets == 0 {
                break;
            }
            self.octets.extend_from_slice(&buffer[..octets]);
        }
        came
    }

    /// The next frame that has come, as kind and payload.
    pub(super) fn next(&mut self) -> Option<(u16, Vec<u8>)> {
        let (head, rest) = self.octets.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        assert!(length <= frames::LONGEST as usize, "a reply of {length} octets: {}", self.octets.escape_ascii());
        let kind = u16::from_le_bytes([head[4], head[5]]);
        let payload = rest.get(..length)?.to_vec();
        self.octets.drain(..8 + length);
        Some((kind, payload))
    }

    /// Reads until a frame is one that was waited for. `None`: not in time.
    pub(super) fn wait(&mut self, mut is_it: impl FnMut(u16, &[u8]) -> bool) -> Option<Vec<u8>> {
        let until = Instant::now() + LONG;
        while Instant::now() < until {
            self.take_in();
            while let Some((kind, payload)) = self.next() {
                if is_it(kind, &payload) {
                    return Some(payload);
                }
            }
            let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&tick));
        }
        None
    }

    /// Says that there is nothing more, to everybody who has either end, and reads what they have said, if it is whole.
    pub(super) fn end(mut self) -> Vec<Exit> {
        for socket in [Some(&self.socket), self.other.as_ref()].into_iter().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.take_in();
        if self.is_shared {
            return Vec::new();
        }
        std::iter::from_fn(|| self.next()).filter_map(|(kind, payload)| Exit::read(kind, &payload)).collect()
    }
}

impl Exit {
    pub(super) fn read(kind: u16, payload: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(payload.get(at..at + 4)?.try_into().ok()?));
        let id = u64::from_le_bytes(payload.get(..8)?.try_into().ok()?);
        (kind == EXITED).then_some(Exit { id, wait_status: u32_at(12)? as i32 })
    }
}
