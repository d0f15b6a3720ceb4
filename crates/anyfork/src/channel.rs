//! A socket that carries frames and descriptors, as both ends use it: an outbox that sends what fits, and an inbox that
//! puts frames together.

use crate::sys::memfd;
use crate::sys::receive::{Along, Received, receive};
use crate::sys::socket::{self, Blocking, DESCRIPTORS_PER_MESSAGE, is_passing};
use crate::wire::{self, Bytes, Frame, HEADER, Malformed, Order, serve};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Orders that wait to be sent, and the descriptors that go with them, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) dialect: Dialect,
    pub(crate) bytes: Bytes,
    pub(crate) descriptors: Descriptors,
    /// Where in the bytes one has to travel alone, with the next descriptor.
    alone: VecDeque<usize>,
    /// Whether a part has been sent, so that the rest must follow.
    pub(crate) is_begun: bool,
}

/// How orders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// In frames, by `PROTOCOL.md`.
    #[default]
    Frames,
    /// For AnyEvent::Fork::Serve.
    Serve,
}

/// A few descriptors.
pub(crate) type Descriptors = SmallVec<[OwnedFd; 4]>;

impl Outbox {
    /// More bytes than this are packed into a memory file: they might not fit into the socket's buffer.
    const INLINE: usize = 64 * 1024;

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn new(dialect: Dialect) -> Self {
        Outbox { dialect, ..Outbox::default() }
    }

    /// Moves all out, and leaves an empty one of the same dialect.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Outbox::new(self.dialect);
        std::mem::replace(self, empty)
    }

    /// The same orders again, with duplicates of the descriptors: dup(2).
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let Outbox { dialect, bytes, descriptors, alone, .. } = self;
        let descriptors = descriptors.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Outbox { dialect: *dialect, bytes: bytes.clone(), descriptors, alone: alone.clone(), is_begun: false })
    }

    /// Adds an order that takes `descriptors` along.
    pub(crate) fn push(&mut self, order: &Order<'_>, descriptors: impl IntoIterator<Item = OwnedFd>) {
        let before = self.descriptors.len();
        self.descriptors.extend(descriptors);
        self.write(order, self.descriptors.len() - before);
    }

    /// Adds an order that says that so many descriptors come along.
    pub(crate) fn write(&mut self, order: &Order<'_>, descriptors: usize) {
        let Outbox { dialect, bytes, alone, .. } = self;
        match dialect {
            Dialect::Frames => order.append(bytes, descriptors as u16),
            Dialect::Serve => serve::append(order, bytes, descriptors, |at| alone.push_back(at)),
        }
    }

    /// Adds all that is in another outbox. An empty one takes over its dialect.
    pub(crate) fn append(&mut self, mut other: Outbox) {
        let before = self.bytes.len();
        if before == 0 {
            self.dialect = other.dialect;
        }
        self.alone.extend(other.alone.iter().map(|at| before + at));
        self.bytes.append(&mut other.bytes);
        self.descriptors.append(&mut other.descriptors);
    }

    /// Packs the orders into a memory file if they are too many for the socket.
    pub(crate) fn pack(&mut self) -> io::Result<()> {
        if self.bytes.len() > Self::INLINE && self.dialect == Dialect::Frames {
            let bundle = memfd::sealed(&self.bytes)?;
            self.bytes.clear();
            self.descriptors.insert(0, bundle);
            let padding = vec![0; self.descriptors.len() / DESCRIPTORS_PER_MESSAGE];
            Order::Bundle { padding: &padding }.append(&mut self.bytes, 1);
        }
        Ok(())
    }

    /// Sends as much as the socket takes. `WouldBlock` leaves the rest for another time.
    ///
    /// Descriptors travel with bytes, at most 253 in a message: each message but the last takes one byte along, so all
    /// descriptors have come when the last frame is whole.
    pub(crate) fn flush(&mut self, to: impl AsFd, blocking: Blocking) -> io::Result<()> {
        while !self.bytes.is_empty() {
            let (batch, bytes) = self.next_message();
            let bytes = &self.bytes[..bytes];
            let sent = if batch == 0 {
                socket::send(&to, bytes, &[], blocking)?
            } else {
                let descriptors: SmallVec<[BorrowedFd<'_>; 4]> =
                    self.descriptors[..batch].iter().map(AsFd::as_fd).collect();
                socket::send(&to, bytes, &descriptors, blocking)?
            };
            self.is_begun = true;
            self.bytes.drain(..sent);
            self.descriptors.drain(..batch);
            if batch == 1 && self.alone.front() == Some(&0) {
                self.alone.pop_front();
            }
            self.alone.iter_mut().for_each(|at| *at -= sent);
        }
        Ok(())
    }

    /// How many descriptors and bytes go next.
    fn next_message(&self) -> (usize, usize) {
        match (self.dialect, self.alone.front()) {
            (Dialect::Serve, Some(0)) => (1, 1),
            (Dialect::Serve, Some(at)) => (0, *at),
            (Dialect::Serve, None) => (0, self.bytes.len()),
            (Dialect::Frames, _) => {
                let batch = self.descriptors.len().min(DESCRIPTORS_PER_MESSAGE);
                (batch, if batch == self.descriptors.len() { self.bytes.len() } else { 1 })
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    fn transfer(outbox: &mut Outbox) -> Inbox {
        let (a, b) = socket::pair().unwrap();
        outbox.pack().unwrap();
        outbox.flush(&a, Blocking::No).unwrap();
        drop(a);
        let mut inbox = Inbox::default();
        while inbox.fill(&b, Blocking::No).unwrap() == Filled::Some {}
        inbox
    }

    #[test]
    fn a_thousand_descriptors_arrive_with_their_frames() {
        let mut outbox = Outbox::default();
        for _ in 0..5 {
            outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        }
        outbox.push(&Order::Run { entry: b"x" }, []);
        let mut inbox = transfer(&mut outbox);
        for _ in 0..5 {
            assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        }
        assert_eq!(&inbox.next().unwrap().unwrap().frame.payload[..], b"x");
        assert!(inbox.is_empty());
    }

    #[test]
    fn many_orders_travel_in_a_bundle_and_come_out_in_order() {
        let mut outbox = Outbox::default();
        for number in 0..20_000u32 {
            outbox.push(&Order::Arg(&number.to_le_bytes()), []);
        }
        outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        let mut inbox = transfer(&mut outbox);
        let bundle = inbox.next().unwrap().unwrap();
        assert!(matches!(Order::parse(bundle.frame.get()), Ok(Order::Bundle { .. })));
        inbox.insert(&memfd::map(&bundle.descriptors[0]).unwrap());
        for number in 0..20_000u32 {
            assert_eq!(inbox.next().unwrap().unwrap().frame.payload[..], number.to_le_bytes());
        }
        assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        assert!(inbox.is_empty());
    }

    #[test]
    fn for_perl_each_descriptor_comes_with_one_byte_of_its_own() {
        let mut outbox = Outbox::new(Dialect::Serve);
        outbox.push(&Order::Arg(b"x"), []);
        outbox.push(&Order::Descriptors, [null(), null()]);
        let mut more = Outbox::new(Dialect::Serve);
        more.push(&Order::Descriptors, [null()]);
        more.push(&Order::Arg(b"y"), []);
        outbox.append(more);
        let (a, b) = socket::pair().unwrap();
        outbox.flush(&a, Blocking::No).unwrap();
        let mut read = |length| {
            let (mut bytes, mut descriptors) = (vec![0; length], Descriptors::new());
            assert_eq!(
                receive(&b, &mut bytes, &mut descriptors, Along::Descriptors, Blocking::No).unwrap().bytes,
                length
            );
            (bytes[0], descriptors.len())
        };
        // As the server reads: a command, its payload, and for `h` a message of one byte.
        let read = [5, 2, 5, 1, 5, 1, 5, 1, 5, 2].map(&mut read);
        let h = [(b'h', 0), (0, 1)];
        assert_eq!(read[2..8], [h, h, h].concat());
        assert_eq!((read[0].0, read[8].0), (b'a', b'a'));
    }

    #[test]
    fn a_frame_without_its_descriptors_is_malformed() {
        let mut outbox = Outbox::default();
        Order::SealedArg.append(&mut outbox.bytes, 1);
        assert!(transfer(&mut outbox).next().is_err());
    }
}
