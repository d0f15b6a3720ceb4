//! Templates that are stopped or killed while programs are being started.

use super::commands::sh;
use super::oracle::Oracle;
use anyfork::{Command, ErrorKind, Process, Starting, Template};
use anyfork_tests::{LONG, SOON, Scratch, all_end_soon, children, signal, stop, wait_until, within};
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

#[anyfork::entry]
fn leave_a_sign(witness: String) -> std::io::Result<()> {
    std::fs::write(witness, "entered")
}

/// A program that leaves a sign, and the two ways to start it.
fn signs(command: &dyn Fn() -> Command, witness: &str) -> [Command; 2] {
    let with_sign = || {
        let mut command = command();
        command.args(["-c", "echo > $0", witness]);
        command
    };
    let mut forked = with_sign();
    forked.pre_exec_entry(leave_a_sign, [witness]);
    [with_sign(), forked]
}

/// The template goes on, follows all that it was ever told, and still nothing was started.
fn nothing_was_started(template: u32, command: &dyn Fn() -> Command, witness: &str) {
    signal(template, Signal::CONT);
    assert!(command().args(["-c", "true"]).status().unwrap().success());
    within(LONG, "what was given up is gone", || children(template).is_empty().then_some(()));
    assert!(!Path::new(witness).exists(), "a program ran after it had been given up");
}

fn deadline_is_kept(template: u32, command: &dyn Fn() -> Command) {
    let witness = Scratch::new("witness");
    for mut late in signs(command, &witness) {
        stop(template);
        let begin = Instant::now();
        let error = late.deadline(Duration::from_millis(100)).spawn().map(|child| child.id()).unwrap_err();
        let took = begin.elapsed();
        assert_eq!(error.kind(), ErrorKind::Deadline);
        let text = error.to_string();
        assert!(text.starts_with(r#"start "sh""#), "{text}");
        assert!(text.ends_with(": the deadline passed; the process was given up and will not start"), "{text}");
        assert_eq!((error.io_kind(), error.raw_os_error()), (std::io::ErrorKind::TimedOut, None));
        assert!((100..2000).contains(&took.as_millis()), "{took:?}");
        nothing_was_started(template, command, &witness);
    }
}

#[test]
fn a_deadline_is_kept_while_the_template_is_stopped_and_the_program_never_runs() {
    let oracle = Oracle::new();
    deadline_is_kept(oracle.pid(), &|| oracle.command("sh"));
    oracle.nothing_is_left("a deadline");
}

#[test]
fn a_deadline_is_kept_while_the_default_template_is_stopped() {
    assert!(sh("true").status().unwrap().success());
    let [template] = children(std::process::id())[..] else { panic!("one default template") };
    deadline_is_kept(template, &|| Command::new("sh"));
}

#[test]
fn a_start_that_was_dropped_never_runs() {
    let oracle = Oracle::new();
    let witness = Scratch::new("witness");
    for mut dropped in signs(&|| oracle.command("sh"), &witness) {
        stop(oracle.pid());
        (0..20).for_each(|_| drop(dropped.start()));
        nothing_was_started(oracle.pid(), &|| oracle.command("sh"), &witness);
    }
    oracle.nothing_is_left("dropped starts");
}

#[test]
fn a_deadline_of_zero_starts_nothing_for_good() {
    let oracle = Oracle::new();
    for _ in 0..50 {
        let mut command = oracle.command("sleep");
        if let Err(error) = command.arg("60").deadline(Duration::ZERO).kill_on_drop(true).spawn().map(drop) {
            assert_eq!(error.kind(), ErrorKind::Deadline);
        }
    }
    oracle.nothing_is_left("deadlines of zero");
}

#[test]
fn a_killed_template_fails_what_is_in_flight() {
    let template = Process::new().template().unwrap();
    let witness = Scratch::new("witness");
    stop(template.pid());
    let mut commands: Vec<Command> = (0..5).flat_map(|_| signs(&|| template.command("sh"), &witness)).collect();
    let starting: Vec<Starting<_>> = commands.iter_mut().map(Command::start).collect();
    signal(template.pid(), Signal::KILL);
    for starting in starting {
        let error = starting.wait().map(|child| child.id()).unwrap_err();
        let kinds = [ErrorKind::TemplateGone, ErrorKind::ProcessGone];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(error.to_string().starts_with(r#"start "sh""#), "{error}");
    }
    let error = template.command("true").spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateGone, "{error}");
    assert!(Process::new().template().unwrap().command("true").status().unwrap().success());
    assert!(!Path::new(&*witness).exists());
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn a_killed_default_template_fails_what_is_in_flight_and_is_started_again() {
    assert!(sh("true").status().unwrap().success());
    let [first] = children(std::process::id())[..] else { panic!("one default template") };
    stop(first);
    let starting: Vec<Starting<_>> = (0..5).map(|_| sh("true").start()).collect();
    signal(first, Signal::KILL);
    for starting in starting {
        let kind = starting.wait().map(|child| child.id()).unwrap_err().kind();
        assert!([ErrorKind::TemplateGone, ErrorKind::ProcessGone].contains(&kind), "{kind:?}");
    }
    assert!(sh("true").status().unwrap().success());
    all_end_soon(&[first]);
    let now = || children(std::process::id());
    assert!(wait_until(SOON, || !now().contains(&first) && now().len() == 1), "{:?}", now());
}

#[test]
fn programs_go_on_when_their_template_is_killed() {
    let template: Template = Process::new().template().unwrap();
    let mut child = template.command("cat").stdin(anyfork::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    signal(template.pid(), Signal::KILL);
    all_end_soon(&[template.pid()]);
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    // Older kernels keep no statuses of those whose parent has ended.
    match child.wait() {
        Ok(status) => assert_eq!(status.code(), Some(0)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Lost),
    }
}
