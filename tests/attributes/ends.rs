//! What a program gets of the end of its starter, of orphans, and of signals.

use super::commands::{first_line, output, sh};
use anyfork::Stdio;
use anyfork_tests::{Host, LONG, SOON, Scratch, all_end_soon, host, lives, signal, stat, stop, wait_until, within};
use rustix::process::Signal;
use std::path::Path;

/// A host with a program that leaves a sign when it gets SIGTERM.
fn program_of(role: &str, witness: &str) -> (Host, u32) {
    let mut host = host!("attributes", "owner", role, witness);
    host.fact("ready");
    let program = host.number("program");
    assert!(lives(program));
    (host, program)
}

fn gets_its_signal(role: &str) {
    let witness = Scratch::new("death");
    let (mut host, program) = program_of(role, &witness);
    host.kill();
    all_end_soon(&[program]);
    assert!(Path::new(&*witness).exists(), "it did not end by the signal");
}

#[test]
fn a_killed_host_is_heard_of_by_a_program_that_asked_for_a_signal() {
    gets_its_signal("signal");
}

#[test]
fn a_killed_host_is_heard_of_by_a_program_that_was_forked_for_an_entry() {
    gets_its_signal("signal-with-entry");
}

fn is_killed(role: &str) {
    let witness = Scratch::new("death");
    let (mut host, program) = program_of(role, &witness);
    host.kill();
    all_end_soon(&[program]);
    assert!(!Path::new(&*witness).exists(), "it was to be killed");
}

#[test]
fn a_program_that_dies_with_its_owner_is_killed() {
    is_killed("bound");
}

#[test]
fn a_program_that_dies_with_its_owner_is_killed_also_after_an_entry() {
    is_killed("bound-with-entry");
}

/// Where its parent has no number.
#[test]
fn a_program_in_a_namespace_of_numbers_can_be_told_of_the_end_of_its_owner() {
    if super::namespaces::namespaces() {
        gets_its_signal("signal-in-namespace");
        is_killed("bound-in-namespace");
    }
}

#[test]
fn a_program_that_asked_for_nothing_goes_on() {
    for role in ["free", "free-with-entry"] {
        let witness = Scratch::new("death");
        let (mut host, program) = program_of(role, &witness);
        let template = host.default_template();
        host.kill();
        all_end_soon(&[template]);
        assert!(lives(program) && !Path::new(&*witness).exists(), "{role}");
    }
}

#[test]
fn a_stopped_template_does_not_keep_the_signal_back() {
    let witness = Scratch::new("death");
    let (mut host, program) = program_of("signal", &witness);
    stop(host.default_template());
    host.kill();
    all_end_soon(&[program]);
    assert!(Path::new(&*witness).exists());
}

/// The death signal belongs to a thread elsewhere.
#[test]
fn a_thread_that_ends_is_not_the_end_of_the_owner() {
    let mut command = sh("trap 'echo heard; exit 0' TERM; echo ready; read line; echo $line");
    command.parent_death_signal(libc::SIGTERM).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = std::thread::spawn(move || command.spawn().unwrap()).join().unwrap();
    assert_eq!(first_line(&mut child), "ready");
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"still here\n").unwrap();
    assert_eq!(first_line(&mut child), "still here");
    assert!(child.wait().unwrap().success());
}

/// Dropping the template does not end what would be told of the end of the program.
#[test]
fn a_template_that_is_dropped_is_not_the_end_of_the_owner() {
    let template = anyfork::Process::new().template().unwrap();
    let mut command = template.command("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.parent_death_signal(libc::SIGTERM).spawn().unwrap();
    drop((command, template));
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"still here\n").unwrap();
    assert_eq!(first_line(&mut child), "still here");
    assert!(child.wait().unwrap().success());
}

/// A shell whose child leaves an orphan behind, and tells its number.
fn parent_of_an_orphan(adopts: bool) -> (u32, u32) {
    let mut command = sh("sh -c 'sleep 60 > /dev/null & echo $!'; read end");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).adopt_orphans(adopts);
    let mut child = command.spawn().unwrap();
    let orphan: u32 = first_line(&mut child).parse().unwrap();
    let parent = within(LONG, "it is an orphan", || {
        let parent = stat(orphan)?.parent;
        let comes_from = stat(parent)?.parent;
        // Until its parent has ended, that is the inner shell.
        (parent == child.id() || comes_from != child.id()).then_some(parent)
    });
    signal(orphan, Signal::KILL);
    (parent, child.id())
}

#[test]
fn a_program_that_adopts_orphans_is_their_parent() {
    let (parent, program) = parent_of_an_orphan(true);
    assert_eq!(parent, program);
    let (parent, program) = parent_of_an_orphan(false);
    assert_ne!(parent, program);
}

/// Signals that are no one's: 32 and 33 belong to glibc.
fn set(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap() & !(3 << 31)
}

#[test]
fn signals_are_inherited_if_so_declared() {
    const USR1: u64 = 1 << 9;
    const USR2: u64 = 1 << 11;
    let mut host = host!("attributes", "signals");
    for (key, ignored, blocked) in [("inherited", USR1, USR2), ("default", 0, 0)] {
        for way in ["", "-with-entry"] {
            let status = host.fact(&format!("{key}{way}")).replace('|', "\n");
            assert_eq!([set(&status, "SigIgn"), set(&status, "SigBlk")], [ignored, blocked], "{key}{way}");
        }
    }
    assert_eq!(host.fact("inherited-anew"), "0 0", "as they are at the time of the start");
    host.finish();
}

#[test]
fn a_program_begins_with_default_signals() {
    let status = output(sh("exec cat /proc/self/status").stdin(Stdio::null()));
    assert_eq!([set(&status, "SigIgn"), set(&status, "SigBlk"), set(&status, "SigCgt")], [0; 3]);
}

#[test]
fn a_deaf_program_is_no_reason_to_wait() {
    let mut command = sh("trap '' TERM; echo ready; exec sleep 60");
    let mut child = command.parent_death_signal(15).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    assert_eq!(first_line(&mut child), "ready");
    child.signal(15).unwrap();
    assert_eq!(child.wait_timeout(std::time::Duration::from_millis(50)).unwrap(), None);
    let id = child.id();
    drop(child);
    assert!(wait_until(SOON, || !lives(id)), "killed on drop");
}
