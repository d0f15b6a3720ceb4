//! Sessions, process groups and terminals.

use super::commands::{first_line, line, parked, parking, sh, stat_field, terminal};
use anyfork::{Command, Stdio};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

const GROUP: usize = 5;
const SESSION: usize = 6;
const TERMINAL: usize = 7;
const FOREGROUND: usize = 8;

fn own(field: usize) -> i64 {
    stat_field(std::process::id(), field)
}

#[test]
fn a_program_is_in_the_session_and_group_of_its_template_if_nothing_is_said() {
    let child = parked().setsid(false).spawn().unwrap();
    assert_eq!(stat_field(child.id(), SESSION), own(SESSION));
    assert_ne!(stat_field(child.id(), GROUP), i64::from(child.id()));
}

#[test]
fn a_new_session_has_no_terminal() {
    let child = parked().setsid(true).spawn().unwrap();
    for field in [GROUP, SESSION] {
        assert_eq!(stat_field(child.id(), field), i64::from(child.id()));
    }
    assert_eq!(stat_field(child.id(), TERMINAL), 0);
}

#[test]
fn a_program_leads_a_new_group_or_joins_another() {
    let leader = parked().process_group(0).spawn().unwrap();
    let id = i64::from(leader.id());
    assert_eq!(stat_field(leader.id(), GROUP), id);
    assert_eq!(stat_field(leader.id(), SESSION), own(SESSION));
    let follower = parked().process_group(id as i32).spawn().unwrap();
    assert_eq!(stat_field(follower.id(), GROUP), id);
    // The leader of a session has a group of its own already.
    let both = parked().setsid(true).process_group(0).spawn().unwrap();
    assert_eq!(stat_field(both.id(), GROUP), i64::from(both.id()));
}

#[test]
fn a_controlling_terminal_is_that_of_a_new_session() {
    let (mut ours, theirs) = terminal();
    let device = theirs.metadata().unwrap().rdev() as i64;
    let mut command = sh("echo told > /dev/tty; read answer < /dev/tty; echo $answer; read end");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.controlling_terminal(&theirs).spawn().unwrap();
    let id = i64::from(child.id());
    assert_eq!([SESSION, GROUP, FOREGROUND].map(|field| stat_field(child.id(), field)), [id; 3]);
    assert_eq!(stat_field(child.id(), TERMINAL), device);
    assert_eq!(line(&ours), "told");
    ours.write_all(b"typed\n").unwrap();
    assert_eq!(first_line(&mut child), "typed");
}

#[test]
fn a_controlling_terminal_is_no_descriptor_of_the_program() {
    let (_ours, theirs) = terminal();
    let child = parking(Command::new("cat")).controlling_terminal(&theirs).spawn().unwrap();
    let is_gone =
        || !anyfork_tests::descriptors(child.id()).values().any(|file| *file == anyfork_tests::identity(&theirs));
    // The loader may still have files open.
    assert!(anyfork_tests::wait_until(anyfork_tests::LONG, is_gone));
}
