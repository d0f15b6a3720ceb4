//! Trees that stand still.

use super::Marked;
use super::commands::{compile, compiler, sh, stat_field};
use anyfork::{Command, Namespaces};
use anyfork_tests::{LONG, SOON, Scratch, children, host, lives, signal, stat, wait_until, within};
use rustix::process::Signal;
use std::fs;

/// A shell with two shells with two sleepers each: seven processes.
const TREE: &str = "for i in 1 2; do sh -c 'sleep 60 & sleep 60 & wait' & done; wait";

#[test]
fn a_tree_of_shells_is_killed() {
    Marked::start(&mut sh(TREE), 7).is_killed();
    Marked::start(sh(TREE).process_group(0), 7).is_killed();
    Marked::start(sh(TREE).setsid(true), 7).is_killed();
    Marked::start(sh(TREE).adopt_orphans(true), 7).is_killed();
}

#[test]
fn a_single_program_is_killed() {
    Marked::start(Command::new("sleep").arg("60"), 1).is_killed();
}

#[test]
fn programs_of_others_go_on() {
    let mut stranger = Marked::start(&mut sh(TREE), 7);
    let mut in_group = Marked::start(sh(TREE).process_group(0), 7);
    let mut killed = Marked::start(sh(TREE).process_group(0), 7);
    killed.is_killed();
    Marked::start(sh(TREE).setsid(true), 7).is_killed();
    for other in [&stranger, &in_group] {
        assert_eq!(other.processes().len(), 7);
        let states = other.processes().into_iter().filter_map(|pid| Some(stat(pid)?.state));
        assert!(!states.into_iter().any(|state| state == 'T'), "somebody was stopped");
    }
    stranger.is_killed();
    in_group.is_killed();
}

#[test]
fn stopped_processes_are_killed_too() {
    let mut tree = Marked::start(&mut sh(TREE), 7);
    tree.processes().into_iter().for_each(|pid| signal(pid, Signal::STOP));
    tree.is_killed();
}

#[test]
fn processes_that_ignore_signals_are_killed() {
    Marked::start(&mut sh(&format!("trap '' TERM INT HUP CONT TSTP; {TREE}")), 7).is_killed();
}

#[test]
fn it_can_be_killed_again_and_after_its_end() {
    let mut tree = Marked::start(&mut sh(TREE), 7);
    tree.is_killed();
    tree.child.kill_tree().unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    assert!(ended.wait().unwrap().success());
    ended.kill_tree().unwrap();
    assert!(ended.wait().unwrap().success(), "its status stays what it was");
}

/// A shell script that leads a session or a group.
fn leading(kind: &str, script: &str) -> Command {
    let mut command = sh(script);
    match kind {
        "session" => command.setsid(true),
        _ => command.process_group(0),
    };
    command
}

#[test]
fn descendants_of_a_program_that_has_ended_are_found_by_their_group() {
    for kind in ["session", "group"] {
        let mut tree = Marked::start(&mut leading(kind, "sh -c 'sleep 60 & sleep 60 & wait' & exit 7"), 3);
        assert_eq!(tree.child.wait().unwrap().code(), Some(7));
        assert_eq!(tree.processes().len(), 3);
        tree.child.kill_tree().unwrap();
        assert_eq!(tree.processes(), [0; 0]);
        assert_eq!(tree.child.wait().unwrap().code(), Some(7));
    }
}

#[test]
fn orphans_in_the_group_are_killed() {
    // The middle shells end; the sleepers have no parent of the tree.
    let script = "for i in 1 2 3; do sh -c 'sleep 60 & exit'; done; sleep 60";
    for kind in ["session", "group"] {
        let mut tree = Marked::start(&mut leading(kind, script), 5);
        let program = tree.child.id();
        let of_it =
            || tree.processes().into_iter().filter(|pid| stat(*pid).is_some_and(|it| it.parent == program)).count();
        assert!(wait_until(LONG, || tree.processes().len() == 5 && of_it() == 1), "three orphans");
        tree.is_killed();
    }
}

/// Leaves three orphans behind, each in a group of its own, as the jobs of an interactive shell are.
const JOBS: &str = r#"
#include <unistd.h>
int main(void) {
    for (int job = 0; job < 3; job++)
        if (fork() == 0) {
            setpgid(0, 0);
            if (fork() == 0) { sleep(60); }
            _exit(0);
        }
    sleep(60);
    return 0;
}
"#;

#[test]
fn orphans_in_other_groups_of_the_session_are_killed() {
    if !compiler() {
        return;
    }
    let program = Scratch::new("jobs");
    compile(&program, JOBS);
    let mut tree = Marked::start(Command::new(&*program).setsid(true), 4);
    let own = i64::from(tree.child.id());
    let orphans = || {
        let is_orphan = |pid: &u32| stat_field(*pid, 5) != own && i64::from(stat(*pid).unwrap().parent) != own;
        tree.processes().into_iter().filter(is_orphan).count()
    };
    assert!(wait_until(LONG, || tree.processes().len() == 4 && orphans() == 3));
    tree.is_killed();
}

/// Leaves session, group and parent, as daemons do.
const DAEMON: &str = "(setsid sh -c 'sleep 60 & exit' &); sleep 60";

/// Waits for the `sleep` of the daemon: the shells between it and the program are part of the tree while they last.
fn daemon_is_orphaned(tree: &Marked) {
    let is_outside = |pid: &u32| stat(*pid).is_some_and(|it| it.session != tree.child.id());
    let is_sleep = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    within(LONG, "there is a daemon", || {
        let outside: Vec<u32> = tree.processes().into_iter().filter(is_outside).collect();
        (outside.len() == 1 && is_sleep(outside[0]) && tree.processes().len() == 3).then_some(())
    });
}

#[test]
fn a_daemon_does_not_escape_a_program_that_adopts_orphans() {
    let mut command = sh(DAEMON);
    let mut tree = Marked::start(command.setsid(true).adopt_orphans(true), 3);
    daemon_is_orphaned(&tree);
    tree.is_killed();
}

/// What the documentation says is not found: the control of the test above.
#[test]
fn a_daemon_escapes_where_nobody_adopts_it() {
    let mut tree = Marked::start(sh(DAEMON).setsid(true), 3);
    daemon_is_orphaned(&tree);
    tree.child.kill_tree().unwrap();
    assert_eq!(tree.processes().len(), 1);
    assert_eq!(tree.child.wait().unwrap().signal(), Some(9));
}

#[test]
fn zombies_in_the_tree_keep_nobody_waiting() {
    if !compiler() {
        return;
    }
    let program = Scratch::new("zombies");
    compile(
        &program,
        "#include <unistd.h>\nint main(void) { for (int n = 0; n < 9; n++) if (!fork()) _exit(0); sleep(60); }",
    );
    let mut tree = Marked::start(&mut Command::new(&*program), 1);
    let zombies = || children(tree.child.id()).into_iter().filter(|pid| !lives(*pid)).count();
    assert!(wait_until(LONG, || zombies() == 9));
    tree.is_killed();
}

#[test]
fn a_tree_in_a_namespace_of_numbers_is_killed() {
    let mut command = sh(TREE);
    command.namespaces(Namespaces::PID);
    if !super::commands::can(command.spawn().and_then(|child| child.kill()).is_ok(), "root and new namespaces") {
        return;
    }
    Marked::start(&mut command, 7).is_killed();
}

#[test]
fn in_a_fork_of_the_host_it_does_nothing() {
    let mut host = host!("kill_tree", "forked");
    assert_eq!(host.fact("in-fork"), "ForeignHandle");
    assert_eq!(host.fact("program"), "runs");
    assert_eq!(host.fact("killed"), "9");
    host.fact("look-after");
    assert!(wait_until(SOON, || host.has_only_its_template()), "host and default template");
    host.go();
    host.finish();
}

#[test]
fn nothing_stays_of_killed_trees() {
    let template = anyfork::Process::new().template().unwrap();
    let kill = || {
        let mut command = template.command("sh");
        Marked::start(command.args(["-c", TREE]).process_group(0), 7).is_killed();
    };
    let open = || [std::process::id(), template.pid()].map(anyfork_tests::open_files);
    kill();
    assert!(wait_until(SOON, || children(template.pid()).is_empty()));
    let before = open();
    (0..5).for_each(|_| kill());
    assert!(wait_until(SOON, || children(template.pid()).is_empty()), "zombies");
    assert!(wait_until(SOON, || open() == before), "descriptors");
}
