//! Frames to orders and replies, and octets to programs.

use crate::error::Error;
use crate::server;
use crate::status::ExitStatus;
use crate::wire::{self, Bytes, Frame, MAX_TEXT, Order, Program, Reply};
use std::os::fd::{AsFd, OwnedFd};

/// A frame: two octets each for its kind and its number of descriptors, then its payload.
pub(super) fn frame(octets: &[u8]) -> Option<Frame<'_>> {
    let ([a, b, c, d], payload) = octets.split_first_chunk()?;
    Some(Frame { kind: u16::from_le_bytes([*a, *b]), descriptors: u16::from_le_bytes([*c, *d]), payload })
}

/// The only frame in these octets.
fn only(octets: &[u8]) -> Frame<'_> {
    match wire::split(octets) {
        Ok(Some((frame, length))) if length == octets.len() => frame,
        other => panic!("not one frame: {other:?}"),
    }
}

/// An order, as [`frame`] has it.
pub fn orders(octets: &[u8]) {
    let Some(frame) = frame(octets) else { return };
    let Ok(order) = Order::parse(frame) else { return };
    let mut written = Bytes::new();
    order.append(&mut written, frame.descriptors);
    let again = only(&written);
    assert_eq!(Order::parse(again).as_ref(), Ok(&order));
    assert_eq!(again, frame, "{order:?} is written as it was read");
}

/// A reply, as [`frame`] has it.
pub fn replies(octets: &[u8]) {
    let Some(frame) = frame(octets) else { return };
    let Ok(mut reply) = Reply::parse(frame) else { return };
    become_visible(&reply);
    let mut written = Bytes::new();
    reply.append(&mut written, frame.descriptors);
    let again = only(&written);
    if let Reply::Failed(failure) = &mut reply {
        for text in [&mut failure.step, &mut failure.object, &mut failure.message] {
            let end = (0..=text.len().min(MAX_TEXT)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
    } else {
        assert_eq!(again, frame, "{reply:?} is written as it was read");
    }
    assert_eq!(Reply::parse(again), Ok(reply));
}

/// What the caller sees of a reply can be had of any.
fn become_visible(reply: &Reply) {
    match reply {
        Reply::Exited(record) => drop(format!("{:?}", ExitStatus::of_record(record))),
        Reply::Failed(failure) => drop(Error::reported(failure.clone()).to_string()),
        _ => {}
    }
}

/// A program: the first octet says how many descriptors come with it.
pub fn programs(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    if let Ok(program) = Program::parse(octets) {
        let mut written = Bytes::new();
        program.append(&mut written);
        assert_eq!(written[..], *octets, "{program:?} is written as it was read");
        let strings = program.arguments.iter().chain(program.environment.iter());
        assert!(strings.map(|string| string.to_bytes_with_nul().len()).sum::<usize>() <= octets.len());
    }
    let null: OwnedFd = std::fs::File::open("/dev/null").expect("/dev/null").into();
    let copy = || null.as_fd().try_clone_to_owned().expect("a descriptor");
    // A system call for whatever may be one; none is made.
    let compiled = server::compiles(octets.to_vec(), copy(), (0..first % 4).map(|_| copy()).collect());
    assert!(!compiled || Program::parse(octets).is_ok() || octets.is_empty());
}
