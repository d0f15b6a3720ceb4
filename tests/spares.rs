//! Processes that a template forks in advance.

#[path = "spares/faults.rs"]
mod faults;

#[path = "spares/given.rs"]
mod given;

#[path = "spares/limits.rs"]
mod limits;

#[path = "spares/owner.rs"]
mod owner;

#[path = "spares/verbs.rs"]
mod verbs;

use anyfork::{ErrorKind, ExitStatus, Process, Spares, Template, Worker};
use anyfork_tests::{LONG, children, lives, signal, stat, stop, title, within};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[anyfork::entry]
fn echo(mut socket: UnixStream, what: String) -> std::io::Result<()> {
    socket.write_all(what.as_bytes())
}

#[anyfork::entry]
fn idle(mut socket: UnixStream) -> std::io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

fn template() -> Template {
    Process::new().arg("inherited").template().expect("a template")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(Duration::from_secs(10), what, || holds().then_some(()));
}

/// The template, with as many waiting as there may be.
fn with_spares(template: Template, spares: RangeInclusive<usize>) -> Template {
    template.spares(spares.clone()).unwrap();
    until("they wait", || template.spares_waiting() == *spares.end());
    template
}

/// Whether nothing is left of it, also no zombie.
fn is_gone(pid: u32) -> bool {
    stat(pid).is_none()
}

/// How it has ended, in bounded time.
fn end(worker: &Worker) -> ExitStatus {
    worker.wait_timeout(LONG).expect("a status").expect("it ends")
}

fn said(worker: &Worker) -> String {
    worker.socket().set_read_timeout(Some(LONG)).unwrap();
    let mut text = String::new();
    worker.socket().read_to_string(&mut text).expect("its output");
    text
}

#[test]
fn a_fork_takes_a_spare_with_what_the_template_has_and_it_is_used_once() {
    let template = with_spares(template(), 1..=3);
    let waiting = children(template.pid());
    assert_eq!(waiting.len(), 3);
    let workers: Vec<Worker> =
        (0..3).map(|_| template.fork().blocking_socket(true).run(echo).expect("a worker")).collect();
    let mut pids: Vec<u32> = workers.iter().map(Worker::pid).collect();
    // The first two were there; the third may be of the refill.
    assert!(pids[..2].iter().all(|pid| waiting.contains(pid)), "{pids:?} {waiting:?}");
    pids.dedup();
    assert_eq!(pids.len(), 3);
    for worker in workers {
        assert_eq!(said(&worker), "inherited");
        assert!(end(&worker).success());
    }
}

#[test]
fn one_that_waits_is_shown_as_what_it_is() {
    let template = with_spares(Process::new().template().unwrap(), 0..=2);
    let shown = |pid: &u32| title(*pid).starts_with("anyfork: spare of ");
    until("they say so", || children(template.pid()).iter().all(shown));
    let worker = template.fork().run(idle).unwrap();
    assert!(title(worker.pid()).starts_with("anyfork: spares::idle of "), "{}", title(worker.pid()));
}

#[test]
fn they_are_filled_up_when_few_are_left() {
    let template = template();
    template.spares(Spares::new(1..=4).delay(Duration::from_millis(20))).unwrap();
    until("four wait", || template.spares_waiting() == 4);
    for _ in 0..2 {
        assert!(end(&template.fork().run(echo).unwrap()).success());
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(template.spares_waiting(), 2, "more than one is left");
    assert!(end(&template.fork().run(echo).unwrap()).success());
    until("four wait again", || template.spares_waiting() == 4);
    assert!(template.spares_memory() > 0);
}

#[test]
fn more_at_once_than_wait_are_forked_as_usual() {
    let template = with_spares(template(), 2..=4);
    let starting: Vec<_> = (0..64).map(|_| template.fork().start(echo)).collect();
    let pids: std::collections::HashSet<u32> = starting
        .into_iter()
        .map(|starting| {
            let worker = starting.wait().expect("a worker");
            assert!(end(&worker).success());
            worker.pid()
        })
        .collect();
    assert!(pids.len() > 32, "numbers may come again, processes do not");
}

#[test]
fn those_that_are_not_wanted_any_more_never_come() {
    let template = with_spares(template(), 2..=2);
    let first = children(template.pid());
    stop(template.pid());
    template.spares(2..=9).unwrap();
    template.spares(2..=3).unwrap();
    signal(template.pid(), Signal::CONT);
    until("three wait", || template.spares_waiting() == 3);
    let now = children(template.pid());
    assert!(now.len() == 3 && first.iter().all(|pid| now.contains(pid)), "{first:?} {now:?}");

    // Nobody looks for them from here on.
    stop(template.pid());
    template.spares(2..=9).unwrap();
    template.spares(0..=0).unwrap();
    signal(template.pid(), Signal::CONT);
    assert!(template.fork().run(echo).unwrap().wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(children(template.pid()), []);
    assert_eq!(template.spares_waiting(), 0);
}

#[test]
fn spares_end_with_their_template_and_workers_go_on() {
    let plain = with_spares(Process::new().template().unwrap(), 2..=3);
    let (free, bound) = (plain.fork().run(idle).unwrap(), plain.fork().die_with_owner(true).run(idle).unwrap());
    until("three wait again", || plain.spares_waiting() == 3);
    let spares: Vec<u32> =
        children(plain.pid()).into_iter().filter(|pid| *pid != free.pid() && *pid != bound.pid()).collect();
    let pid = plain.pid();
    drop(plain);
    until("the spares end", || spares.iter().all(|pid| is_gone(*pid)));
    assert!(lives(free.pid()) && lives(bound.pid()));
    assert!(lives(pid), "its bound worker keeps it");
    bound.kill().unwrap();
    assert_eq!(end(&bound).signal(), Some(9));
    until("the template ends", || is_gone(pid));
    assert!(lives(free.pid()));
    drop(free);
}

#[test]
fn one_that_was_killed_is_not_handed_out() {
    let template = with_spares(template(), 2..=3);
    for pid in children(template.pid()) {
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid as i32).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    }
    until("they have ended", || children(template.pid()).is_empty());
    for _ in 0..4 {
        assert!(end(&template.fork().run(echo).unwrap()).success());
    }
    until("three wait again", || template.spares_waiting() == 3);
}

#[test]
fn one_that_was_given_away_does_not_keep_its_template() {
    let template = with_spares(template(), 1..=2);
    let waiting = children(template.pid());
    let given = template.fork().into_fd().unwrap();
    let pid = template.pid();
    drop(template);
    until("the template ends", || is_gone(pid));
    assert!(waiting.len() == 2);
    drop(given);
    until("nobody is left", || waiting.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn none_wait_when_none_are_wanted_any_more() {
    let template = with_spares(template(), 1..=4);
    template.spares(0..=0).unwrap();
    until("they end", || children(template.pid()).is_empty());
    assert!(end(&template.fork().run(echo).unwrap()).success());
    assert_eq!(template.spares_waiting(), 0);
}

#[test]
fn new_numbers_hold_at_once() {
    let template = template();
    for count in [2, 6, 1, 3] {
        template.spares(0..=count).unwrap();
        until("so many wait", || template.spares_waiting() == count);
        until("no others are left", || children(template.pid()).len() == count);
    }
}

#[test]
fn wrong_numbers_are_refused() {
    let template = template();
    #[allow(clippy::reversed_empty_ranges, reason = "that is the fault")]
    let reversed = template.spares(3..=2).unwrap_err();
    assert_eq!(reversed.kind(), ErrorKind::InvalidInput);
    assert_eq!(template.spares(1..=1025).unwrap_err().kind(), ErrorKind::InvalidInput);
}
