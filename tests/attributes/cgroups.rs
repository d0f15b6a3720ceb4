//! Control groups of both versions.

use super::commands::{Cgroup, output, parked, sh};
use anyfork::Command;
use std::fs;

#[anyfork::entry]
fn nothing() {}

/// Tells the entry's group too.
#[anyfork::entry]
fn note_group(path: String) -> std::io::Result<()> {
    fs::copy("/proc/self/cgroup", path).map(drop)
}

/// The program is in the group, in every way of starting it, as are its descendants; others are not.
fn is_in(group: Option<Cgroup>) {
    let Some(group) = group else { return };
    let mut plain = parked();
    let child = plain.cgroup(group.path()).spawn().unwrap();
    assert!(group.has(child.id()));
    let child = plain.pre_exec_entry(nothing, [""; 0]).spawn().unwrap();
    assert!(group.has(child.id()), "with an entry");
    let seen = output(sh("cat /proc/self/cgroup").cgroup(group.path()));
    assert!(seen.lines().any(|line| line.ends_with(&group.name())), "a child of it: {seen}");
    assert!(!group.has(parked().spawn().unwrap().id()), "another program");
    assert!(!group.has(std::process::id()));
}

#[test]
fn a_program_starts_in_a_group_of_version_2() {
    is_in(Cgroup::unified());
}

#[test]
fn a_program_starts_in_a_group_of_version_1() {
    is_in(Cgroup::pids());
}

#[test]
fn an_entry_runs_in_the_group_already() {
    for group in [Cgroup::unified(), Cgroup::pids()].into_iter().flatten() {
        let seen = anyfork_tests::Scratch::new("group");
        let mut command = Command::new("true");
        output(command.cgroup(group.path()).pre_exec_entry(note_group, [&*seen]));
        let seen = fs::read_to_string(&*seen).unwrap();
        assert!(seen.lines().any(|line| line.ends_with(&group.name())), "{seen}");
    }
}

#[test]
fn a_group_that_may_have_no_more_processes_is_an_error() {
    let Some(group) = Cgroup::pids() else { return };
    fs::write(group.path().join("pids.max"), "1").unwrap();
    let mut command = parked();
    command.cgroup(group.path());
    let first = command.spawn().unwrap();
    // A move is not refused by the limit of version 1, but what would make another process in it is.
    let text = sh("sh -c true; echo $?").cgroup(group.path()).output();
    assert!(text.is_err() || text.is_ok_and(|output| output.stdout != b"0\n"), "the limit does not hold");
    drop(first);
}

#[test]
fn a_group_that_was_removed_is_an_error() {
    for group in [Cgroup::unified(), Cgroup::pids()].into_iter().flatten() {
        let mut command = parked();
        command.cgroup(group.path());
        fs::remove_dir(group.path()).unwrap();
        let error = command.spawn().map(|child| child.id()).unwrap_err();
        assert!(error.to_string().starts_with("cgroup"), "{error}");
        assert!(matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOENT)), "{error}");
        fs::create_dir(group.path()).unwrap();
    }
}
