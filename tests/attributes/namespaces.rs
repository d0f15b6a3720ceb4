//! New namespaces, as root and as a user without privileges.

use super::commands::{Cgroup, can, first_line, output, parked, proc_link, root, sh};
use anyfork::{Child, Command, Namespaces, Stdio};
use anyfork_tests::{LONG, SOON, all_end_soon, host, status, wait_until};
use std::fs;
use std::io::Write;

/// Each kind, and its name below `/proc/PID/ns`.
const KINDS: [(Namespaces, &str); 7] = [
    (Namespaces::USER, "user"),
    (Namespaces::PID, "pid"),
    (Namespaces::MOUNT, "mnt"),
    (Namespaces::NET, "net"),
    (Namespaces::UTS, "uts"),
    (Namespaces::IPC, "ipc"),
    (Namespaces::CGROUP, "cgroup"),
];

#[anyfork::entry]
fn nothing() {}

/// Whether this system lets root make namespaces.
pub(crate) fn namespaces() -> bool {
    let there = || parked().namespaces(Namespaces::UTS).spawn().is_ok();
    root() && can(there(), "a system that allows new namespaces")
}

/// Which of the kinds differ from this program's.
fn new_kinds(child: &Child) -> Vec<&'static str> {
    let names = KINDS.into_iter().map(|(_, name)| name);
    names
        .filter(|name| {
            proc_link(child.id(), &format!("ns/{name}")) != proc_link(std::process::id(), &format!("ns/{name}"))
        })
        .collect()
}

fn is_in_new(declared: Namespaces, names: &[&str]) {
    let mut command = parked();
    let child = command.namespaces(declared).spawn().unwrap();
    assert_eq!(new_kinds(&child), names);
    if !names.contains(&"pid") {
        let child = command.pre_exec_entry(nothing, [""; 0]).spawn().unwrap();
        assert_eq!(new_kinds(&child), names, "with an entry");
    }
}

#[test]
fn exactly_the_declared_namespaces_are_new() {
    if !namespaces() {
        return;
    }
    is_in_new(Namespaces::default(), &[]);
    for (kind, name) in KINDS {
        is_in_new(kind, &[name]);
    }
    is_in_new(Namespaces::UTS | Namespaces::IPC | Namespaces::NET, &["net", "uts", "ipc"]);
    let all = KINDS.into_iter().fold(Namespaces::default(), |all, (kind, _)| all | kind);
    is_in_new(all, &KINDS.map(|(_, name)| name));
}

/// Talks to a shell that is number 1 in its own namespace.
fn is_number_one(mut command: Command) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    assert_eq!(first_line(&mut child), "1");
    let id = child.id();
    let numbers = status(id, "NSpid");
    assert_eq!(
        numbers.split_whitespace().collect::<Vec<_>>(),
        [&id.to_string(), "1"],
        "the number outside is that of the handle"
    );
    let inner: u32 = child_of(id);
    child.kill().unwrap();
    // Its standard input stays open, or it might end before the signal is there.
    assert_eq!(child.wait_timeout(LONG).unwrap().unwrap().signal(), Some(9));
    // Number 1 takes all others with it.
    all_end_soon(&[id, inner]);
}

fn child_of(pid: u32) -> u32 {
    let children = anyfork_tests::children(pid);
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

/// A shell that says its number and stays, with a child.
fn number_one() -> Command {
    sh("sleep 60 & echo $$; read end")
}

#[test]
fn a_program_is_number_one_in_its_namespace_and_has_its_own_number_outside() {
    if !namespaces() {
        return;
    }
    let mut command = number_one();
    command.namespaces(Namespaces::PID);
    is_number_one(command);
    let mut command = number_one();
    command.namespaces(Namespaces::PID | Namespaces::USER | Namespaces::MOUNT);
    is_number_one(command);
}

#[test]
fn numbers_outside_are_known_in_a_control_group_too() {
    if !namespaces() {
        return;
    }
    for group in [Cgroup::unified(), Cgroup::pids()].into_iter().flatten() {
        let mut command = number_one();
        command.namespaces(Namespaces::PID | Namespaces::CGROUP).cgroup(group.path());
        is_number_one(command);
        let mut command = parked();
        let child = command.namespaces(Namespaces::UTS | Namespaces::NET).cgroup(group.path()).spawn().unwrap();
        assert!(group.has(child.id()));
        assert_eq!(new_kinds(&child), ["net", "uts"]);
    }
}

#[test]
fn a_group_is_the_root_of_a_cgroup_namespace() {
    let Some(group) = Cgroup::unified() else { return };
    if !namespaces() {
        return;
    }
    let seen = output(Command::new("cat").arg("/proc/self/cgroup").namespaces(Namespaces::CGROUP).cgroup(group.path()));
    let unified = seen.lines().find(|line| line.starts_with("0::"));
    // A process that joins by itself has made its namespace before.
    assert!(matches!(unified, Some("0::/")) || cfg!(anyfork_no_clone_into_cgroup), "{seen}");
}

#[test]
fn a_signal_reaches_a_program_in_a_namespace() {
    if !namespaces() {
        return;
    }
    let mut command = sh("trap 'echo heard; exit 5' USR1; echo ready; while :; do sleep 0.05; done");
    let mut child = command.namespaces(Namespaces::PID).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    assert_eq!(first_line(&mut child), "ready");
    child.signal(libc::SIGUSR1).unwrap();
    assert_eq!(first_line(&mut child), "heard");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn failed_steps_in_a_namespace_come_back_as_errors() {
    if !namespaces() {
        return;
    }
    for (kind, name) in KINDS {
        let mut command = Command::new("/no/such");
        let error = command.namespaces(kind).spawn().map(|child| child.id()).unwrap_err();
        assert_eq!(error.to_string(), r#"exec "/no/such": No such file or directory (os error 2)"#, "{name}");
    }
}

#[test]
fn host_names_and_networks_are_the_programs_own() {
    if !namespaces() {
        return;
    }
    let script = "hostname inside; hostname; cat /proc/net/dev | tail -n +3 | cut -d: -f1";
    let seen = output(sh(script).namespaces(Namespaces::UTS | Namespaces::NET));
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["inside", "lo"]);
    assert_ne!(output(&mut Command::new("hostname")), "inside\n");
}

#[test]
fn mounts_are_not_seen_outside_where_mounts_are_shared() {
    if !namespaces() {
        return;
    }
    let mut host = host!("attributes", "mounts");
    assert_eq!(host.fact("inside"), "mounted");
    assert_eq!(host.fact("inside-with-entry"), "mounted");
    assert_eq!(host.fact("outside"), "0");
    // The control: without the namespace it would have been seen.
    assert_eq!(host.fact("control"), "1");
    host.finish();
}

#[test]
fn a_program_is_root_in_its_user_namespace() {
    if !namespaces() {
        return;
    }
    let mut command = parked();
    command.namespaces(Namespaces::USER);
    for way in ["plain", "with an entry"] {
        let child = command.spawn().unwrap();
        let map = fs::read_to_string(format!("/proc/{}/uid_map", child.id())).unwrap();
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "0", "1"], "{way}");
        command.pre_exec_entry(nothing, [""; 0]);
    }
    assert_eq!(output(Command::new("id").arg("-u").namespaces(Namespaces::USER)), "0\n");
}

#[test]
fn users_are_those_inside() {
    if !namespaces() {
        return;
    }
    let mut command = Command::new("id");
    command.arg("-u").namespaces(Namespaces::USER).uid(0).gid(0);
    assert_eq!(output(&mut command), "0\n");
}

#[test]
fn a_user_without_privileges_has_namespaces_below_one_of_users() {
    if !root() {
        return;
    }
    let mut host = host!("attributes", "namespaces", "65533");
    if host.fact("allowed") != "true" {
        can(false, "a system that allows its users new namespaces");
        return host.finish();
    }
    assert_eq!(host.fact("user"), "0 0 65533 1");
    assert_eq!(host.fact("declared-user"), "0");
    assert_eq!(host.fact("kinds"), "7");
    assert_eq!(host.fact("kinds-with-entry"), "6");
    assert_eq!(host.fact("number"), "1");
    assert_eq!(host.fact("hostname"), "inside");
    assert_eq!(host.fact("killed"), "9");
    host.fact("look-after");
    assert!(wait_until(SOON, || host.has_only_its_template()), "host and default template");
    host.go();
    host.finish();
}

#[test]
fn a_program_can_be_talked_to_in_all_namespaces_at_once() {
    if !namespaces() {
        return;
    }
    let all = KINDS.into_iter().fold(Namespaces::default(), |all, (kind, _)| all | kind);
    let mut command = Command::new("cat");
    let mut child = command.namespaces(all).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"through\n").unwrap();
    assert_eq!(first_line(&mut child), "through");
    assert!(child.wait().unwrap().success());
}

/// Also where the current directory is the caller's, which comes from outside.
#[test]
fn what_is_mounted_inside_is_not_seen_outside() {
    if !namespaces() {
        return;
    }
    let place = anyfork_tests::Scratch::new("mounts");
    fs::create_dir(&*place).unwrap();
    let script = format!("mount -t tmpfs none {0} && echo inside > {0}/file && cat {0}/file", &*place);
    for is_forked in [false, true] {
        let mut command = sh(&script);
        command.namespaces(Namespaces::MOUNT);
        if is_forked {
            command.pre_exec_entry(nothing, [""; 0]);
        }
        assert_eq!(output(&mut command), "inside\n");
        assert_eq!(fs::read_dir(&*place).unwrap().count(), 0);
    }
}
