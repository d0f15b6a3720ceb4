//! Octets to frames, in one piece and in many, with descriptors beside them.

use crate::channel::{Filled, Inbox, Message};
use crate::sys::socket::{self, Blocking};
use crate::wire::{self, Bytes, Frame};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What is read of octets: whole frames, and whether something else came behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// Octets of the whole frames.
    used: usize,
    is_malformed: bool,
}

pub(super) fn split(octets: &[u8]) -> Split<'_> {
    let (mut frames, mut used) = (Vec::new(), 0);
    let is_malformed = loop {
        match wire::split(&octets[used..]) {
            Ok(Some((frame, length))) => {
                frames.push(frame);
                used += length;
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    Split { frames, used, is_malformed }
}

/// Frames: all but the first octet, which says in how large pieces they come, and with how many descriptors.
pub fn frames(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let whole = split(octets);
    let mut written = Bytes::new();
    for frame in &whole.frames {
        wire::append(&mut written, frame.kind, frame.descriptors, |w| w.raw(frame.payload));
    }
    assert_eq!(written[..], octets[..whole.used], "they are written as they were read");
    (0..octets.len()).step_by(1 + octets.len() / 256).for_each(|cut| may_be_cut(octets, &whole, cut));
    let piece = usize::from(first >> 3) + 1;
    // Descriptors travel with the first octet.
    let descriptors = if octets.is_empty() { 0 } else { usize::from(first & 7) };
    come_in_pieces(octets.chunks(piece.max(octets.len() / 64)), &whole, descriptors);
}

/// What has come so far is a part of what comes: never another frame, and never an error that the rest would have taken back.
fn may_be_cut(octets: &[u8], whole: &Split<'_>, cut: usize) {
    let part = split(&octets[..cut]);
    assert!(whole.frames.starts_with(&part.frames), "cut at {cut}");
    assert!(whole.is_malformed || !part.is_malformed, "cut at {cut}");
    if !part.is_malformed {
        let left = &octets[part.used..cut];
        assert!(left.len() < wire::length(left).unwrap_or(wire::HEADER), "cut at {cut}: a whole frame was not seen");
    }
}

/// The same frames come out of an inbox, with the descriptors that are theirs, in whatever pieces the octets come through a socket.
pub(super) fn come_in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>, whole: &Split<'_>, mut descriptors: usize) {
    let (ours, theirs) = socket::pair().expect("a socket pair");
    let mut inbox = Inbox::default();
    let (came, is_malformed) = receive(&mut inbox, pieces, &vec![theirs.as_fd(); descriptors], [&ours, &theirs]);
    let mut expected = whole.frames.iter();
    for message in &came {
        let frame = expected.next().expect("no frame that was not sent");
        assert_eq!(message.frame.get(), *frame);
        assert_eq!(message.descriptors.len(), usize::from(frame.descriptors));
        descriptors -= message.descriptors.len();
    }
    match expected.next() {
        Some(frame) => assert!(is_malformed && usize::from(frame.descriptors) > descriptors, "{frame:?} was not read"),
        None => assert_eq!(is_malformed, whole.is_malformed),
    }
    assert_eq!(inbox.descriptors().count(), descriptors, "descriptors are kept for the frames to come");
}

/// Sends the pieces one after the other, the descriptors with the first, and reads what there is after each. Says what came, and whether the end of it was malformed.
fn receive<'a>(
    inbox: &mut Inbox,
    pieces: impl Iterator<Item = &'a [u8]>,
    mut descriptors: &[BorrowedFd<'_>],
    [ours, theirs]: [&OwnedFd; 2],
) -> (Vec<Message>, bool) {
    let mut came = Vec::new();
    for piece in pieces {
        let sent = socket::send(ours, piece, std::mem::take(&mut descriptors), Blocking::No);
        assert_eq!(sent.expect("there is room"), piece.len());
        // As much at a time as it likes.
        while inbox.fill(theirs, Blocking::No).expect("a socket") == Filled::Some {}
        loop {
            match inbox.next() {
                Ok(Some(message)) => came.push(message),
                Ok(None) => break,
                Err(_) => return (came, true),
            }
        }
    }
    (came, false)
}
