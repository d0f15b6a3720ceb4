//! Messages made at random: what is written is read again as it was, in whatever pieces it comes, and what was changed on its way does no harm.
//!
//! A case that fails is printed. Nothing is written to files: what should be tried again for ever belongs into `fuzz/corpus`.

use super::frames::{come_in_pieces, split};
use super::values::{order, program, reply};
use super::{frames, handover, messages, orders, programs, replies};
use crate::handover::{parse, written};
use crate::sys::counted;
use crate::wire::{self, Bytes, Frame, HEADER, Order, Program, Reply};
use proptest::collection::vec;
use proptest::prelude::*;

/// Most octets that are allocated for each that is read, all in all, and for nothing. A step of one octet is 40 in a list that grows by doubling.
const FOR_EACH: usize = 200;
const FOR_NONE: usize = 4096;

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() }
}

fn order_octets((order, descriptors): &(Order<'_>, u16)) -> Bytes {
    let mut octets = Bytes::new();
    order.append(&mut octets, *descriptors);
    octets
}

fn reply_octets((reply, descriptors): &(Reply, u16)) -> Bytes {
    let mut octets = Bytes::new();
    reply.append(&mut octets, *descriptors);
    octets
}

/// An order or a reply.
fn message() -> impl Strategy<Value = Bytes> {
    prop_oneof![order().prop_map(|order| order_octets(&order)), reply().prop_map(|reply| reply_octets(&reply))]
}

fn program_octets(program: &Program<'_>) -> Bytes {
    let mut octets = Bytes::new();
    program.append(&mut octets);
    octets
}

/// Octets that are nearly those of a message: some are changed, some are missing at the end.
fn damaged(octets: impl Strategy<Value = Bytes>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (octets, changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(octets, changes, end, is_cut)| {
        let mut octets = octets.to_vec();
        for (at, octet) in changes {
            *at.get_mut(&mut octets[..]) = octet;
        }
        octets.truncate(if is_cut { end.index(octets.len() + 1) } else { usize::MAX });
        octets
    })
}

fn one_frame(octets: &[u8]) -> Frame<'_> {
    let (frame, length) = wire::split(octets).unwrap().unwrap();
    assert_eq!(length, octets.len());
    for cut in 0..length {
        assert_eq!(wire::split(&octets[..cut]), Ok(None), "cut at {cut}");
    }
    frame
}

/// What `read` allocates is bounded by what there is to read, not by what that says.
fn is_bounded(octets: &[u8], read: impl FnOnce(&[u8])) {
    let before = counted::allocated();
    read(octets);
    let allocated = counted::allocated() - before;
    assert!(allocated <= FOR_NONE + FOR_EACH * octets.len(), "{allocated} octets for {}", octets.len());
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn orders_come_back_as_they_were_written(order in order()) {
        let octets = order_octets(&order);
        let frame = one_frame(&octets);
        prop_assert_eq!(frame.descriptors, order.1);
        prop_assert_eq!(Order::parse(frame), Ok(order.0));
    }

    #[test]
    fn replies_come_back_as_they_were_written(reply in reply()) {
        let octets = reply_octets(&reply);
        let frame = one_frame(&octets);
        prop_assert_eq!(frame.descriptors, reply.1);
        prop_assert_eq!(Reply::parse(frame), Ok(reply.0));
    }

    #[test]
    fn programs_come_back_as_they_were_written(program in program()) {
        let octets = program_octets(&program);
        prop_assert_eq!(Program::parse(&octets), Ok(program));
    }

    #[test]
    fn programs_that_are_cut_off_are_refused_or_have_fewer_steps(program in program()) {
        let octets = program_octets(&program);
        for cut in 0..octets.len() {
            if let Ok(part) = Program::parse(&octets[..cut]) {
                prop_assert!(part.steps.len() < program.steps.len(), "cut at {}", cut);
                prop_assert!(program.steps.starts_with(&part.steps), "cut at {}", cut);
            }
        }
    }

    #[test]
    fn the_value_of_the_variable_comes_back_as_it_was_written(number in 3.., nonce: [u8; 16]) {
        let value = written(number, &nonce);
        prop_assert_eq!(parse(&value), Some((number, nonce)));
        prop_assert!((0..value.len()).all(|cut| parse(&value[..cut]).is_none()));
    }

    #[test]
    fn what_is_damaged_is_refused_or_is_something_else(octets in damaged(message())) {
        is_bounded(&octets, |octets| drop(split(octets)));
        // As the targets have them: kind and descriptors, without a length.
        if let Some(frame) = octets.get(HEADER - 4..) {
            is_bounded(frame, |octets| drop(messages::frame(octets).map(Order::parse)));
            is_bounded(frame, |octets| drop(messages::frame(octets).map(Reply::parse)));
            orders(frame);
            replies(frame);
        }
    }

    #[test]
    fn programs_that_are_damaged_are_refused_or_are_others(octets in damaged(program().prop_map(|program| program_octets(&program)))) {
        is_bounded(&octets, |octets| drop(Program::parse(octets)));
        programs(&[&[3], &octets[..]].concat());
    }

    #[test]
    fn octets_of_no_sense_do_no_harm(octets in vec(any::<u8>(), 0..600)) {
        is_bounded(&octets, |octets| drop(Program::parse(octets)));
        [frames, orders, replies, programs, handover].iter().for_each(|target| target(&octets));
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn several_come_in_pieces_of_any_size(messages in vec(message(), 1..8), pieces: u8) {
        let octets: Vec<u8> = messages.iter().flatten().copied().collect();
        prop_assert_eq!(split(&octets).frames.len(), messages.len());
        frames(&[&[pieces], &octets[..]].concat());
    }

    #[test]
    fn several_may_be_cut_in_two_anywhere(messages in vec(message(), 1..4)) {
        let octets: Vec<u8> = messages.iter().flatten().copied().collect();
        let whole = split(&octets);
        let descriptors = whole.frames.iter().map(|frame| usize::from(frame.descriptors)).sum();
        for cut in 1..octets.len() {
            let (head, tail) = octets.split_at(cut);
            come_in_pieces([head, tail].into_iter(), &whole, descriptors);
        }
    }
}

/// Counts of the greatest size with nothing behind them, and as many items as there is room for.
#[test]
fn nothing_is_reserved_on_the_word_of_a_count() {
    let most = u32::MAX.to_le_bytes();
    let head = [&1_u32.to_le_bytes()[..], b"\0", &1_u32.to_le_bytes(), b"\0", &[0; 8], &[0; 4], &[255; 2]].concat();
    // Groups, and an entry with its arguments.
    for step in [&[16][..], &[23, 0, 0, 0, 0]] {
        let octets = [&head[..], step, &most, &[0; 64]].concat();
        is_bounded(&octets, |octets| assert!(Program::parse(octets).is_err()));
    }
    let steps = [&head[..], &[5; 100_000]].concat();
    is_bounded(&steps, |octets| assert_eq!(Program::parse(octets).unwrap().steps.len(), 100_000));
    let arguments = Frame { kind: 21, descriptors: u16::MAX, payload: &[1; 100_000] };
    is_bounded(arguments.payload, |_| assert!(Order::parse(arguments).is_err()));
    let frame = Frame { kind: 131, descriptors: 0, payload: &[&[0; 5], &most[..], b"x"].concat() };
    is_bounded(frame.payload, |_| assert!(Reply::parse(frame).is_err()));
}
