//! What has come on a socket: frames are put together, each with its descriptors.

use super::Descriptors;
use crate::sys::receive::{Along, Received, receive};
use crate::sys::socket::{Blocking, is_passing};
use crate::wire::{self, Bytes, Frame, HEADER, Malformed};
use smallvec::SmallVec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

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
    /// The last read has lost some, which would stand behind those that are here.
    has_lost: bool,
    /// An earlier read has lost some of the frame that is not whole yet.
    is_cut: bool,
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

    /// Receives once, as much as there is. All whole frames have been taken before.
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
        if std::mem::take(&mut self.has_lost) {
            self.is_cut = true;
        }
        if self.is_cut {
            self.descriptors.clear();
        }
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
                self.has_lost = lost_descriptors;
                self.sender = sender;
                Ok(Filled::Some)
            }
            Err(error) if is_passing(&error) => {
                // The kernel has no memory for it now: who blocks asks again at once.
                if blocking == Blocking::Yes {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(Filled::Nothing)
            }
            // The other end was closed with bytes unread: it is gone all the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Filled::End),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Malformed> {
        let Some((frame, length)) = wire::split(&self.bytes[self.used..])? else { return self.wait_for_more() };
        let frame =
            OwnedFrame { kind: frame.kind, descriptors: frame.descriptors, payload: Bytes::from_slice(frame.payload) };
        let count = usize::from(frame.descriptors);
        let lost_descriptors = self.loses(count, self.used + length == self.bytes.len());
        if !lost_descriptors && count > self.descriptors.len() {
            return Err(Malformed("a frame whose descriptors did not come"));
        }
        self.bytes[self.used..self.used + length].fill(0);
        self.used += length;
        let descriptors = if lost_descriptors { Descriptors::new() } else { self.descriptors.drain(..count).collect() };
        Ok(Some(Message { frame, descriptors, lost_descriptors, sender: self.sender }))
    }

    /// Whether a frame with so many descriptors is one that has lost some. What came of them is closed; `is_last`: nothing is here behind it.
    ///
    /// A read brings the descriptors of one message, and ends in it; those of a message belong to one frame (`PROTOCOL.md`). So what the last read has lost
    /// is missing in the first frame for which those that came before are too few, and the rest of these is its own. What an earlier read has lost is missing
    /// in the frame that was not whole then. All that came up to its end is its own, and only if the last read went beyond that end, what it brought or lost is another's.
    fn loses(&mut self, count: usize, is_last: bool) -> bool {
        if count > 0 && std::mem::take(&mut self.is_cut) {
            if is_last {
                self.descriptors.clear();
                self.has_lost = false;
            }
            return true;
        }
        let loses = count > self.descriptors.len() && std::mem::take(&mut self.has_lost);
        if loses {
            self.descriptors.clear();
        }
        loses
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;
    use crate::sys::socket;
    use std::os::fd::OwnedFd;

    /// By which a file is known, whatever its descriptor is.
    fn identity(file: impl AsFd) -> u64 {
        rustix::fs::fstat(file).unwrap().st_ino
    }

    /// How many files each frame has.
    const COUNTS: [usize; 7] = [0, 1, 0, 3, 1, 0, 1];

    /// To which frame each message belongs that brings some.
    const OF_FRAME: [usize; 5] = [1, 3, 3, 4, 6];

    /// Messages: octets, and the files that travel with the first of them. One frame is so many octets longer than the others.
    fn messages(files: &[OwnedFd], long: usize, more: usize) -> [(Vec<u8>, &[OwnedFd]); 7] {
        let frame = |number: usize| {
            let length = if number == long { 4 + more } else { 4 };
            let head = [&(length as u32).to_le_bytes()[..], &[number as u8, 0, COUNTS[number] as u8, 0]];
            [&head.concat()[..], &vec![7; length]].concat()
        };
        let split = frame(3);
        [
            (frame(0), &[]),
            (frame(1), &files[..1]),
            (frame(2), &[]),
            // One frame, two messages.
            (split[..1].to_vec(), &files[1..3]),
            (split[1..].to_vec(), &files[3..4]),
            // Two frames, one message: a report that has waited, and one behind it.
            ([frame(4), frame(5)].concat(), &files[4..5]),
            (frame(6), &files[5..]),
        ]
    }

    /// What the frames have when the reads that bring descriptors lose them, the nth of them if bit n of `lost` is set.
    fn received(messages: &[(Vec<u8>, &[OwnedFd])], lost: u32) -> Vec<Result<Vec<u64>, ()>> {
        let (ours, theirs) = socket::pair().unwrap();
        for (octets, files) in messages {
            let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            assert_eq!(socket::send(&ours, octets, &files, Blocking::No).unwrap(), octets.len());
        }
        drop(ours);
        let (mut inbox, mut frames, mut nth) = (Inbox::default(), Vec::new(), 0);
        loop {
            while let Some(message) = inbox.next().unwrap() {
                let files = message.descriptors.iter().map(identity).collect();
                frames.push(if message.lost_descriptors { Err(()) } else { Ok(files) });
            }
            let kept = if inbox.is_cut || inbox.has_lost { 0 } else { inbox.descriptors.len() };
            if inbox.fill(&theirs, Blocking::No).unwrap() == Filled::End {
                assert!(inbox.is_empty() && !inbox.is_cut);
                return frames;
            }
            if inbox.descriptors.len() > kept {
                if lost & 1 << nth != 0 {
                    inbox.descriptors.truncate(kept);
                    inbox.has_lost = true;
                }
                nth += 1;
            }
        }
    }

    /// What the frames should have then.
    fn expected(files: &[OwnedFd], lost: u32) -> Vec<Result<Vec<u64>, ()>> {
        let mut rest = files.iter().map(identity);
        let frames = COUNTS.iter().enumerate().map(|(number, count)| {
            let own = rest.by_ref().take(*count).collect();
            let loses = (0..).zip(OF_FRAME).any(|(nth, frame)| frame == number && lost & 1 << nth != 0);
            if loses { Err(()) } else { Ok(own) }
        });
        frames.collect()
    }

    /// Wherever the reads end, and whichever of them lose descriptors: each frame has its own, or it has lost some of them.
    #[test]
    fn what_is_cut_off_is_missing_in_its_own_frame() {
        let files: Vec<OwnedFd> = (0..6u8).map(|number| memfd::sealed(&[number]).unwrap()).collect();
        for lost in 0..1 << OF_FRAME.len() {
            let expected = expected(&files, lost);
            for long in 0..COUNTS.len() {
                for more in Inbox::NEAR - 30..Inbox::NEAR {
                    let received = received(&messages(&files, long, more), lost);
                    assert_eq!(received, expected, "frame {long} has {more} octets more, lost {lost:b}");
                }
            }
        }
    }
}
