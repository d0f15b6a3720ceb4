//! What is to be sent on a socket: orders or replies with their descriptors, as much as fits at a time.

use super::Descriptors;
use crate::sys::memfd;
use crate::sys::socket::{self, Blocking, DESCRIPTORS_PER_MESSAGE};
use crate::wire::{Bytes, Order, serve};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Orders that wait to be sent, and the descriptors that go with them, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) dialect: Dialect,
    pub(crate) bytes: Bytes,
    /// So many at the front have been sent: moving the rest there after each message would take time in proportion to it.
    sent: usize,
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

impl Outbox {
    /// More bytes than this are packed into a memory file: they might not fit into the socket's buffer.
    const INLINE: usize = 64 * 1024;

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are still to be sent.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
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
        let Outbox { dialect, bytes, sent, descriptors, alone, .. } = self;
        let (bytes, alone) = (bytes.clone(), alone.clone());
        let descriptors = descriptors.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Outbox { dialect: *dialect, bytes, sent: *sent, descriptors, alone, is_begun: false })
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
        if self.is_empty() {
            self.dialect = other.dialect;
        }
        other.forget_sent();
        let before = self.bytes.len();
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
        while !self.is_empty() {
            let (batch, bytes) = self.next_message();
            let bytes = &self.bytes[self.sent..self.sent + bytes];
            let sent = if batch == 0 {
                socket::send(&to, bytes, &[], blocking)?
            } else {
                let descriptors: SmallVec<[BorrowedFd<'_>; 4]> =
                    self.descriptors[..batch].iter().map(AsFd::as_fd).collect();
                socket::send(&to, bytes, &descriptors, blocking)?
            };
            self.is_begun = true;
            if batch == 1 && self.alone.front() == Some(&self.sent) {
                self.alone.pop_front();
            }
            self.sent += sent;
            self.descriptors.drain(..batch);
            // It is at least as much as has to be moved.
            if self.sent >= self.len() {
                self.forget_sent();
            }
        }
        Ok(())
    }

    fn forget_sent(&mut self) {
        self.bytes.drain(..self.sent);
        self.alone.iter_mut().for_each(|at| *at -= self.sent);
        self.sent = 0;
    }

    /// How many descriptors and bytes go next.
    fn next_message(&self) -> (usize, usize) {
        match (self.dialect, self.alone.front()) {
            (Dialect::Serve, Some(at)) if *at == self.sent => (1, 1),
            (Dialect::Serve, Some(at)) => (0, at - self.sent),
            (Dialect::Serve, None) => (0, self.len()),
            (Dialect::Frames, _) => {
                let batch = self.descriptors.len().min(DESCRIPTORS_PER_MESSAGE);
                (batch, if batch == self.descriptors.len() { self.len() } else { 1 })
            }
        }
    }
}
