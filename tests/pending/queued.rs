//! Starts whose template's socket does not take them yet: it is stopped, and a few hundred fill its socket.

use super::{Trigger, code, finish, finish_all, stopped};
use anyfork::{ErrorKind, Starting, Template, Worker};
use anyfork_tests::signal;
use rustix::process::Signal;
use std::os::fd::AsFd;

const MANY: i32 = 900;

fn starts(template: &Template) -> Vec<Starting<Worker>> {
    (0..MANY).map(|n| template.fork().arg(n % 256).start(code)).collect()
}

/// Asks for the descriptors of all, as a loop does that registers them before it asks any.
fn register(starts: &[Starting<Worker>]) {
    for starting in starts {
        let _ = starting.as_fd();
    }
}

fn check(results: Vec<anyfork::Result<Worker>>) {
    for (n, worker) in results.into_iter().enumerate() {
        assert_eq!(worker.unwrap().wait().unwrap().code(), Some(n as i32 % 256));
    }
}

#[test]
fn queued_starts_are_woken_with_either_trigger() {
    for trigger in [Trigger::Level, Trigger::Edge] {
        let template = stopped();
        let starts = starts(&template);
        signal(template.pid(), Signal::CONT);
        check(finish_all(starts, trigger));
    }
}

#[test]
fn starts_that_were_registered_while_queued_are_woken() {
    let template = stopped();
    let starts = starts(&template);
    register(&starts);
    signal(template.pid(), Signal::CONT);
    // From the last to the first, each for itself.
    check(starts.into_iter().rev().map(finish).collect::<Vec<_>>().into_iter().rev().collect());
}

/// A task may be busy with something else, and keep what it began to wait for.
#[test]
fn a_queued_start_is_woken_though_those_before_it_are_not_asked_any_more() {
    let template = stopped();
    let mut starts = starts(&template);
    register(&starts);
    signal(template.pid(), Signal::CONT);
    let last = finish(starts.pop().unwrap()).unwrap();
    assert_eq!(last.wait().unwrap().code(), Some((MANY - 1) % 256));
    check(starts.into_iter().map(finish).collect());
}

#[test]
fn a_queued_start_is_woken_though_the_first_of_all_has_asked_last() {
    let template = stopped();
    let mut starts = starts(&template);
    register(&starts);
    for start in starts.iter_mut().rev() {
        assert!(start.try_finish().unwrap().is_none());
    }
    signal(template.pid(), Signal::CONT);
    let last = finish(starts.pop().unwrap()).unwrap();
    assert_eq!(last.wait().unwrap().code(), Some((MANY - 1) % 256));
}

#[anyfork::entry]
fn take(_octets: Vec<u8>) {}

/// More orders than the process's own socket takes before it reads.
#[test]
fn what_a_queued_start_has_still_to_send_follows_though_others_have_sent_the_order() {
    let template = stopped();
    let starts = starts(&template);
    let process = (0..6).fold(template.fork(), |process, _| process.call(take, [vec![1; 60_000]]));
    let large = process.arg(7).start(code);
    register(&starts);
    large.as_fd();
    let behind = template.fork().arg(8).start(code);
    signal(template.pid(), Signal::CONT);
    finish(behind).unwrap();
    assert_eq!(finish(large).unwrap().wait().unwrap().code(), Some(7));
}

/// Those that are left are asked by nobody meanwhile.
#[test]
fn the_next_in_the_queue_is_woken_when_those_before_it_are_dropped() {
    let template = stopped();
    let mut starts = starts(&template);
    register(&starts);
    // With room for some 300, the first in the queue is among them.
    starts.drain(150..600).for_each(drop);
    signal(template.pid(), Signal::CONT);
    for result in finish_all(starts.split_off(150), Trigger::Edge) {
        assert!(result.unwrap().wait().unwrap().code().is_some());
    }
}

#[test]
fn queued_starts_of_a_template_that_is_killed_fail() {
    for trigger in [Trigger::Level, Trigger::Edge] {
        let template = stopped();
        let starts = starts(&template);
        register(&starts);
        signal(template.pid(), Signal::KILL);
        for result in finish_all(starts, trigger) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::TemplateGone, "{trigger:?}");
        }
    }
}

#[test]
fn queued_starts_of_a_template_that_is_killed_fail_when_they_are_waited_for() {
    let template = stopped();
    let starts = starts(&template);
    signal(template.pid(), Signal::KILL);
    for starting in starts.into_iter().rev() {
        assert_eq!(starting.wait().unwrap_err().kind(), ErrorKind::TemplateGone);
    }
}
