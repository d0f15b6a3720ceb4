//! Control groups: whatever is in them, whoever started it.

use super::Marked;
use super::commands::{Cgroup, sh};
use anyfork_tests::{LONG, lives, wait_until};

/// With a daemon that has left session, group and parent.
const TREE: &str = "(setsid sh -c 'sleep 60 & exit' &); sh -c 'sleep 60 & wait' & sleep 60";

fn nothing_escapes(new_group: fn() -> Option<Cgroup>) {
    let mut outside = Marked::start(sh("sleep 60 & wait").process_group(0), 2);
    for is_session in [false, true] {
        let Some(group) = new_group() else { return };
        let mut tree = Marked::start(sh(TREE).setsid(is_session).cgroup(group.path()), 5);
        let member = Marked::start(sh("sleep 60").cgroup(group.path()), 1);
        tree.is_killed();
        assert!(member.processes().is_empty(), "another member of the group");
        assert!(wait_until(LONG, || !lives(member.child.id())));
    }
    assert_eq!(outside.processes().len(), 2, "who is not in the group goes on");
    outside.is_killed();
}

#[test]
fn nothing_escapes_a_control_group_of_version_2() {
    nothing_escapes(Cgroup::unified);
}

#[test]
fn nothing_escapes_a_control_group_of_version_1() {
    nothing_escapes(Cgroup::pids);
}

fn of_an_ended_program(group: Option<Cgroup>) {
    let Some(group) = group else { return };
    let mut tree = Marked::start(sh("(setsid sleep 60 &); exit 5").cgroup(group.path()), 1);
    assert_eq!(tree.child.wait().unwrap().code(), Some(5));
    assert!(wait_until(LONG, || tree.processes().len() == 1));
    tree.child.kill_tree().unwrap();
    assert!(tree.processes().is_empty());
    assert_eq!(tree.child.wait().unwrap().code(), Some(5));
}

#[test]
fn members_of_an_ended_program_are_killed_in_version_2() {
    of_an_ended_program(Cgroup::unified());
}

#[test]
fn members_of_an_ended_program_are_killed_in_version_1() {
    of_an_ended_program(Cgroup::pids());
}

/// Groups below it belong to it: the program made one and moved there.
fn in_a_group_below(group: Option<Cgroup>) {
    let Some(group) = group else { return };
    let below = group.path().join("below");
    let mut command = sh("mkdir $0 && (echo 0 > $0/cgroup.procs; sleep 60) & wait");
    let mut tree = Marked::start(command.arg(&below).cgroup(group.path()), 2);
    let moved = || std::fs::read_to_string(below.join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty());
    assert!(wait_until(LONG, moved), "nobody moved");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tree.is_killed()));
    drop(tree);
    assert!(wait_until(LONG, || std::fs::remove_dir(&below).is_ok()));
    assert!(result.is_ok(), "something in the group below is left");
}

#[test]
fn groups_below_are_killed_in_version_2() {
    in_a_group_below(Cgroup::unified());
}

#[test]
fn groups_below_are_killed_in_version_1() {
    in_a_group_below(Cgroup::pids());
}

fn can_be_used_again(group: Option<Cgroup>) {
    let Some(group) = group else { return };
    for _ in 0..3 {
        Marked::start(sh(TREE).cgroup(group.path()), 5).is_killed();
    }
}

#[test]
fn a_group_of_version_2_can_be_used_again() {
    can_be_used_again(Cgroup::unified());
}

#[test]
fn a_group_of_version_1_can_be_used_again() {
    can_be_used_again(Cgroup::pids());
}
