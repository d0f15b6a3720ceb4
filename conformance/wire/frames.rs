//! Frames as PROTOCOL.md has them, written and read here once more.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

pub(crate) const HELLO: u16 = 1;
pub(crate) const ARGUMENT: u16 = 2;
pub(crate) const SEALED: u16 = 3;
pub(crate) const DESCRIPTORS: u16 = 4;
pub(crate) const CALL: u16 = 5;
pub(crate) const NAME: u16 = 6;
pub(crate) const BUNDLE: u16 = 7;
pub(crate) const BIND: u16 = 8;
pub(crate) const TEMPLATE: u16 = 9;
pub(crate) const RUN: u16 = 10;
pub(crate) const FORK: u16 = 11;
pub(crate) const EXEC: u16 = 12;
pub(crate) const SIGNAL: u16 = 13;
pub(crate) const MARK: u16 = 14;
pub(crate) const OWN: u16 = 15;
pub(crate) const END: u16 = 16;
pub(crate) const BECOME: u16 = 17;
pub(crate) const SPAWN: u16 = 18;
pub(crate) const CONTEXT: u16 = 19;
pub(crate) const LOAD: u16 = 20;
pub(crate) const EVAL: u16 = 21;
pub(crate) const SPARES: u16 = 22;
pub(crate) const READY: u16 = 129;
pub(crate) const STARTED: u16 = 130;
pub(crate) const FAILED: u16 = 131;
pub(crate) const EXITED: u16 = 132;
pub(crate) const NOT_FORKED: u16 = 133;
pub(crate) const SPARE: u16 = 134;

pub(crate) const FREE: u8 = 0;
pub(crate) const BOUND: u8 = 1;
pub(crate) const PREPARING: u8 = 2;

/// Kinds of failures.
pub(crate) const SYSTEM: u8 = 0;
pub(crate) const PROTOCOL: u8 = 6;
pub(crate) const OTHER_IMAGE: u8 = 7;

pub(crate) const LONGEST: u32 = 1 << 20;

pub(crate) fn frame(kind: u16, descriptors: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = header(payload.len() as u32, kind, descriptors);
    octets.extend_from_slice(payload);
    octets
}

pub(crate) fn header(length: u32, kind: u16, descriptors: u16) -> Vec<u8> {
    [&length.to_le_bytes()[..], &kind.to_le_bytes(), &descriptors.to_le_bytes()].concat()
}

/// Octets behind their length.
pub(crate) fn counted(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u32).to_le_bytes()[..], octets].concat()
}

pub(crate) fn fork(id: u64, role: u8) -> Vec<u8> {
    frame(FORK, 1, &[&id.to_le_bytes()[..], &[role]].concat())
}

pub(crate) fn signal(id: u64, signal: u32) -> Vec<u8> {
    frame(SIGNAL, 0, &[&id.to_le_bytes()[..], &signal.to_le_bytes()].concat())
}

pub(crate) fn mark(id: u64, role: u8) -> Vec<u8> {
    frame(MARK, 0, &[&id.to_le_bytes()[..], &[role]].concat())
}

pub(crate) fn spares(first: u64, count: u32, delay: std::time::Duration) -> Vec<u8> {
    let delay = delay.as_micros() as u32;
    frame(SPARES, 0, &[&first.to_le_bytes()[..], &count.to_le_bytes(), &delay.to_le_bytes()].concat())
}

/// Sends all of it, the descriptors with the first octet. False: nobody is there any more.
pub(crate) fn send(to: &UnixStream, octets: &[u8], fds: &[BorrowedFd<'_>]) -> bool {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    let Ok(mut sent) = sendmsg(to, &[IoSlice::new(octets)], &mut control, SendFlags::NOSIGNAL) else { return false };
    while sent < octets.len() {
        let mut nothing = SendAncillaryBuffer::default();
        match sendmsg(to, &[IoSlice::new(&octets[sent..])], &mut nothing, SendFlags::NOSIGNAL) {
            Ok(more) => sent += more,
            Err(_) => return false,
        }
    }
    true
}

/// A reply without its descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
}

impl Reply {
    pub(crate) fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.payload[at..at + 8].try_into().unwrap())
    }
}

/// The next reply, within the socket's time. `None`: there is none, and the other end is gone.
pub(crate) fn reply(mut from: &UnixStream) -> Option<Reply> {
    let mut header = [0; 8];
    let is_end = |error: &std::io::Error| matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    match from.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if is_end(&error) => return None,
        Err(error) => panic!("no reply and no end: {error}"),
    }
    let [a, b, c, d, e, f, ..] = header;
    let (length, kind) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
    assert!(length <= LONGEST, "a reply of {length} octets");
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload).expect("a whole reply");
    Some(Reply { kind, payload })
}

/// The reply of a process that failed: its kind of failure.
pub(crate) fn failure(from: &UnixStream) -> u8 {
    let reply = reply(from).expect("the process says why it ends");
    assert_eq!(reply.kind, FAILED, "{reply:?}");
    let mut rest = &reply.payload[5..];
    for _ in 0..3 {
        let (length, octets) = rest.split_first_chunk().expect("a text");
        let (text, more) = octets.split_at(u32::from_le_bytes(*length) as usize);
        assert!(std::str::from_utf8(text).is_ok());
        rest = more;
    }
    assert_eq!(rest, b"");
    reply.payload[0]
}

/// A memory file, sealed as the protocol wants it, or not.
pub(crate) fn memory(octets: &[u8], is_sealed: bool) -> std::os::fd::OwnedFd {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let fd = memfd_create("wire", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(rustix::io::pwrite(&fd, octets, 0).unwrap(), octets.len());
    if is_sealed {
        fcntl_add_seals(&fd, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    }
    fd.as_fd().try_clone_to_owned().unwrap()
}
