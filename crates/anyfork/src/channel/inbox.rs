//! What has come on a socket: frames are put together, each with its descriptors.

use super::Descriptors;
use crate::sys::receive::{Along, Received, receive};
use crate::sys::socket::{Blocking, is_passing};
use crate::wire::{self, Bytes, Frame, HEADER, Malformed};
use smallvec::SmallVec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// A frame with the descriptors that belong to it. Those that nobody takes are closed.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) frame: OwnedFrame,
    pub(crate) descriptors: Descriptors,
    /// Its descriptors were cut off, because this process cannot have more.
    pub(crate) lost_descriptors: bool,
    /// The process that has sent it, or its last octet. `None`: not asked for, or it has no number here.
    pub(crate) sender: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct OwnedFrame {
    kind: u16,
    /// How many the frame says it has.
    descriptors: u16,
    pub(crate) payload: Bytes,
}

/// An argument may be a secret, and forks have a copy of this memory.
impl Drop for OwnedFrame {
    fn drop(&mut self) {
        self.payload.fill(0);
        std::hint::black_box(&mut self.payload);
    }
}

impl OwnedFrame {
    pub(crate) fn get(&self) -> Frame<'_> {
        Frame { kind: self.kind, descriptors: self.descriptors, payload: &self.payload }
    }
}

/// What came and was not used yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: SmallVec<[u8; Self::NEAR]>,
    used: usize,
    descriptors: Descriptors,
    lost_descriptors: bool,
    /// Bytes that are read at a time beyond [`NEAR`](Self::NEAR): for long frames.
    far: usize,
    along: Along,
    sender: Option<u32>,
}

/// How an attempt to receive ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Some,
    /// Nothing is there now.
    Nothing,
    /// The other end is gone.
    End,
}

impl Inbox {
    /// Bytes that are read without an allocation.
    const NEAR: usize = 256;

    /// Bytes that are read at a time when more has come.
    const CHUNK: usize = 64 * 1024;

    /// For frames with no more than that.
    pub(crate) fn with(along: Along) -> Self {
        Inbox { along, ..Inbox::default() }
    }

    /// From now on long frames are expected, such as those of external programs.
    pub(crate) fn expect_long(&mut self) {
        self.far = 4096 - Self::NEAR;
    }

    /// For a process that is about to forget it: closes what came, the memory stays as it is, shared with another process.
    pub(crate) fn leave(self) {
        let Inbox { bytes, descriptors, .. } = self;
        drop(descriptors);
        std::mem::forget(bytes);
    }

    /// Receives once, as much as there is.
    pub(crate) fn fill(&mut self, from: impl AsFd, blocking: Blocking) -> io::Result<Filled> {
        let here = &self.bytes[self.used..];
        let room = match wire::length(here) {
            // What is missing of a long frame.
            Some(length) if length > Self::NEAR + self.far => length.saturating_sub(here.len()).clamp(1, Self::CHUNK),
            _ if here.len() < Self::NEAR + self.far => Self::NEAR + self.far - here.len(),
            _ => Self::CHUNK,
        };
        self.receive(room, from, blocking)
    }

    /// Receives once, and nothing that stands behind the reply: what a worker writes to its socket is the user's.
    pub(crate) fn fill_reply(&mut self, from: impl AsFd, blocking: Blocking) -> io::Result<Filled> {
        let here = &self.bytes[self.used..];
        let length = wire::length(here).unwrap_or(0).max(wire::SHORTEST_REPLY);
        // However long it says it is, and however little comes at a time.
        self.receive(length.saturating_sub(here.len()).clamp(1, Self::CHUNK), from, blocking)
    }

    fn receive(&mut self, room: usize, from: impl AsFd, blocking: Blocking) -> io::Result<Filled> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let start = self.bytes.len();
        if start + room > self.bytes.capacity() {
            let mut larger = SmallVec::with_capacity((start + room).next_power_of_two());
            larger.extend_from_slice(&self.bytes);
            self.bytes.fill(0);
            self.bytes = larger;
        }
        self.bytes.resize(start + room, 0);
        let received = receive(from, &mut self.bytes[start..], &mut self.descriptors, self.along, blocking);
        self.bytes.truncate(start + received.as_ref().map_or(0, |received| received.bytes));
        match received {
            Ok(Received { bytes: 0, .. }) => Ok(Filled::End),
            Ok(Received { lost_descriptors, sender, .. }) => {
                self.lost_descriptors |= lost_descriptors;
                self.sender = sender;
                Ok(Filled::Some)
            }
            Err(error) if is_passing(&error) => Ok(Filled::Nothing),
            // The other end was closed with bytes unread: it is gone all the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Filled::End),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Malformed> {
        let Some((frame, length)) = wire::split(&self.bytes[self.used..])? else { return self.wait_for_more() };
        let count = usize::from(frame.descriptors);
        let lost_descriptors = count > 0 && std::mem::take(&mut self.lost_descriptors);
        if !lost_descriptors && count > self.descriptors.len() {
            return Err(Malformed("a frame whose descriptors did not come"));
        }
        let frame =
            OwnedFrame { kind: frame.kind, descriptors: frame.descriptors, payload: Bytes::from_slice(frame.payload) };
        self.bytes[self.used..self.used + length].fill(0);
        self.used += length;
        let descriptors = if lost_descriptors { Descriptors::new() } else { self.descriptors.drain(..count).collect() };
        Ok(Some(Message { frame, descriptors, lost_descriptors, sender: self.sender }))
    }

    /// There is no whole frame. Who replies cannot fill this process with descriptors that belong to none.
    fn wait_for_more(&self) -> Result<Option<Message>, Malformed> {
        match self.along {
            Along::One | Along::OneWithName if self.descriptors.len() > 1 => {
                Err(Malformed("descriptors that belong to no reply"))
            }
            _ => Ok(None),
        }
    }

    /// Puts frames in front of everything that came so far: the content of a bundle.
    pub(crate) fn insert(&mut self, frames: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.insert_from_slice(0, frames);
    }

    /// Whether bytes or descriptors came that belong to no frame yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.used == self.bytes.len() && self.descriptors.is_empty()
    }

    /// Descriptors that came and belong to frames not read yet.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.descriptors.iter().map(AsFd::as_fd)
    }
}

const _: () = assert!(Inbox::NEAR > HEADER);
