//! Descriptors at numbers of the caller's choice, and no others.

use super::commands::parked;
use anyfork::{Child, Command, Starting};
use anyfork_tests::{LONG, descriptors, host, identity, wait_until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read, pipe};
use std::os::fd::AsFd;

/// Files that can be told apart.
fn files(count: usize) -> Vec<PipeReader> {
    (0..count).map(|_| pipe().unwrap().0).collect()
}

/// A program that stays and does not care for its descriptors.
fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60").kill_on_drop(true);
    command
}

/// The program has these and no others. The loader may still have files open at first.
pub(crate) fn has_exactly(child: &Child, expected: &BTreeMap<u32, String>) {
    let mut seen = BTreeMap::new();
    let right = wait_until(LONG, || {
        seen = descriptors(child.id());
        seen == *expected
    });
    assert!(right, "{seen:?} instead of {expected:?}");
}

/// What this program has at 0, 1 and 2, which is inherited.
fn standard() -> BTreeMap<u32, String> {
    let own = descriptors(std::process::id());
    own.into_iter().filter(|(number, _)| *number < 3).collect()
}

/// A program gets these files at these numbers.
fn is_given(at: impl IntoIterator<Item = (u32, impl AsFd)>) {
    let mut command = sleeper();
    let mut expected = standard();
    for (number, file) in at {
        command.fd_at(number, &file);
        expected.insert(number, identity(&file));
    }
    has_exactly(&command.spawn().unwrap(), &expected);
}

#[test]
fn a_program_has_standard_input_output_and_error() {
    has_exactly(&sleeper().spawn().unwrap(), &standard());
}

#[test]
fn a_descriptor_comes_at_its_number() {
    for number in [3, 4, 9, 100] {
        is_given([(number, &files(1)[0])]);
    }
}

#[test]
fn one_file_can_come_at_many_numbers() {
    let file = &files(1)[0];
    is_given((3..20).map(|number| (number, file)));
}

#[test]
fn as_many_descriptors_as_one_message_carries_come_at_their_numbers() {
    let files = files(247);
    is_given((3..).zip(&files));
}

#[test]
fn a_descriptor_can_be_read_at_its_number() {
    let (mut reader, writer) = pipe().unwrap();
    let mut command = Command::new("sh");
    let mut child = command.args(["-c", "echo through 7 >&7"]).fd_at(7, &writer).spawn().unwrap();
    drop((writer, command));
    let mut text = String::new();
    // Ends, as nobody else has the writer.
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through 7\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn standard_descriptors_can_be_overridden() {
    let files = files(3);
    is_given([(0, &files[0]), (1, &files[1]), (2, &files[2])]);
    is_given([(1, &files[0])]);
    // Also where they were set otherwise.
    let mut command = sleeper();
    command.stdin(anyfork::Stdio::piped()).stdout(anyfork::Stdio::null()).fd_at(0, &files[0]).fd_at(1, &files[1]);
    let child = command.spawn().unwrap();
    assert!(child.stdin.is_none(), "a pipe without another end");
    let mut expected = standard();
    expected.extend([(0, identity(&files[0])), (1, identity(&files[1]))]);
    has_exactly(&child, &expected);
}

/// Numbers that look random and are the same each time: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Among the targets are all numbers that the template itself uses, and those that come to it with the order.
#[test]
fn any_permutation_of_numbers_is_followed() {
    let files = files(21);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..200 {
        let mut numbers: Vec<u32> = (0..=20).collect();
        random.shuffle(&mut numbers);
        // All from 3 on, or some of all.
        let count = if round % 2 == 0 { 21 } else { 1 + random.below(21) };
        let lowest = if round % 2 == 0 { 3 } else { 0 };
        let at = numbers.into_iter().zip(&files).take(count).filter(|(number, _)| *number >= lowest);
        is_given(at);
    }
}

#[test]
fn numbers_that_the_template_uses_are_free_for_the_program() {
    let mut parked = parked().spawn().unwrap();
    let [template] = anyfork_tests::children(std::process::id())[..] else { panic!("one default template") };
    let used: BTreeSet<u32> = descriptors(template).into_keys().filter(|number| *number > 2).collect();
    assert!(!used.is_empty());
    let files = files(used.len() + 5);
    let last = used.last().copied().unwrap();
    is_given(used.into_iter().chain(last + 1..last + 6).rev().zip(&files));
    drop(parked.stdin.take());
    assert!(parked.wait().unwrap().success());
}

#[test]
fn the_highest_number_that_the_limit_allows_can_be_had() {
    let template = anyfork::Process::new().template().unwrap();
    let pid = Pid::from_raw(template.pid() as i32);
    let limit = Rlimit { current: Some(1024), ..getrlimit(Resource::Nofile) };
    prlimit(pid, Resource::Nofile, limit).unwrap();
    let file = &files(1)[0];
    let mut command = template.command("sleep");
    command.arg("60").kill_on_drop(true).fd_at(1023, file).fd_at(1022, file);
    let mut expected = standard();
    expected.extend([(1022, identity(file)), (1023, identity(file))]);
    has_exactly(&command.spawn().unwrap(), &expected);
    let error = command.fd_at(1024, file).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.to_string(), "fd_at 1024: Bad file descriptor (os error 9)");
}

/// Descriptors that a program could inherit by accident: those of this one without close-on-exec, and those of starts beside it.
#[test]
fn a_program_has_nothing_of_other_starts_nor_of_a_careless_host() {
    let mut host = host!("attributes", "careless");
    for round in 0..10 {
        host.fact(&format!("look-{round}"));
        let expected = host.fact(&format!("expected-{round}"));
        for (pid, own) in host.numbers(&format!("programs-{round}")).into_iter().zip(expected.split(' ')) {
            let mut seen = BTreeMap::new();
            let is_right = || {
                seen = descriptors(pid);
                seen.keys().copied().eq(0..=3) && seen[&3] == *own
            };
            assert!(wait_until(LONG, is_right), "{own} at 3 and nothing else: {seen:?}");
        }
        host.go();
    }
    host.finish();
}

/// The same with the ends of pipes: each writer is in one program alone, so each reader sees the end when that ends.
#[test]
fn the_end_of_one_program_closes_its_pipe_while_others_run() {
    let mut pipes: Vec<_> = (0..9).map(|_| pipe().unwrap()).collect();
    let starts = pipes.iter().map(|(_, writer)| sleeper().fd_at(5, writer).start());
    let starts: Vec<Starting<Child>> = starts.collect();
    let children: Vec<Child> = starts.into_iter().map(|start| start.wait().unwrap()).collect();
    let mut readers: Vec<PipeReader> = pipes.drain(..).map(|(reader, _)| reader).collect();
    for (child, reader) in children.iter().zip(&mut readers) {
        child.kill().unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
