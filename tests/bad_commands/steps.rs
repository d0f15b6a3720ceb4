//! Attributes that the kernel, or the library, refuses.

use super::commands::{can, root, terminal};
use super::oracle::Oracle;
use anyfork::{Command, Limit, Namespaces};
use anyfork_tests::{SOON, Scratch, host, wait_until};
use std::fs::{self, File};
use std::os::fd::BorrowedFd;

#[test]
fn users_that_cannot_be_are_named() {
    if !root() {
        return;
    }
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").uid(u32::MAX), libc::EINVAL, "uid 4294967295");
    oracle.refuses(oracle.command("true").gid(u32::MAX), libc::EINVAL, "gid 4294967295");
    oracle.refuses(oracle.command("true").groups(&[u32::MAX]), libc::EINVAL, "groups");
    oracle.refuses(oracle.command("true").groups(&vec![1; 70_000]), libc::EINVAL, "groups");
}

/// The key of a scenario's fact, and the text.
const WITHOUT_PRIVILEGE: [(&str, i32, &str); 11] = [
    ("uid", libc::EPERM, "uid 1"),
    ("gid", libc::EPERM, "gid 1"),
    ("groups", libc::EPERM, "groups"),
    ("chroot", libc::EPERM, r#"chroot "/""#),
    ("nice", libc::EACCES, "nice -5"),
    ("oom_score_adj", libc::EACCES, "oom_score_adj -5"),
    ("rlimit", libc::EPERM, "rlimit NPROC"),
    ("keep_capabilities", libc::EPERM, "capabilities"),
    ("drop_capabilities", libc::EPERM, "capabilities"),
    ("namespaces", libc::EPERM, "namespaces"),
    ("process_group", libc::EPERM, "process_group 1"),
];

#[test]
fn what_needs_a_privilege_is_refused_without_and_named() {
    if !root() {
        return;
    }
    let mut host = host!("bad_commands", "unprivileged", "65533");
    for (key, errno, text) in WITHOUT_PRIVILEGE {
        let reason = std::io::Error::from_raw_os_error(errno);
        assert_eq!(host.fact(key), format!("System {errno} {text}: {reason}"), "{key}");
    }
    host.fact("look-after");
    let alone = wait_until(SOON, || host.has_only_its_template());
    assert!(alone, "host and default template: {:?} {:?}", host.family(), host.zombies());
    host.go();
    host.finish();
}

#[test]
fn two_descriptors_cannot_have_one_number() {
    let oracle = Oracle::new();
    let mut command = oracle.command("true");
    command.fd_at(5, std::io::stdin()).fd_at(5, std::io::stderr());
    oracle.is_invalid(&mut command, "fd_at: two descriptors for the number 5");
    drop(command);
    oracle.nothing_is_left("what it kept is closed");
}

#[test]
fn numbers_that_no_descriptor_can_have_are_named() {
    let oracle = Oracle::new();
    let text = "fd_at: no process has a descriptor 1073741824";
    oracle.is_invalid(oracle.command("true").fd_at(1 << 30, std::io::stdin()), text);
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let Some(most) = most.filter(|most| *most < 1 << 30) else {
        can(false, "a limit of descriptors");
        return;
    };
    let text = format!("fd_at {most}");
    oracle.refuses(oracle.command("true").fd_at(most as u32, std::io::stdin()), libc::EBADF, &text);
    assert!(oracle.command("true").fd_at(most as u32 - 1, std::io::stdin()).status().unwrap().success());
}

#[test]
fn more_descriptors_than_one_message_carries_are_refused() {
    let oracle = Oracle::new();
    let with = |count: u32| {
        let mut command = oracle.command("true");
        (10..10 + count).for_each(|at| _ = command.fd_at(at, std::io::stdin()));
        command
    };
    assert!(with(240).status().unwrap().success());
    let text = "fd_at: at most 251 descriptors";
    oracle.is_invalid(&mut with(260), text);
}

#[test]
fn a_closed_descriptor_is_refused() {
    let oracle = Oracle::new();
    // SAFETY: no owner is claimed for it, and no file has a number this high.
    let closed = unsafe { BorrowedFd::borrow_raw(1_000_000_007) };
    oracle.refuses(oracle.command("true").fd_at(3, closed), libc::EBADF, "fd_at");
    oracle.refuses(oracle.command("true").controlling_terminal(closed), libc::EBADF, "controlling_terminal");
}

#[test]
fn limits_that_cannot_be_are_named() {
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").rlimit(Limit::Nofile, 65, 64), libc::EINVAL, "rlimit NOFILE");
    oracle.refuses(oracle.command("true").rlimit(Limit::Core, None, 0), libc::EINVAL, "rlimit CORE");
}

#[test]
fn cpus_that_are_not_there_are_refused() {
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").cpu_affinity([]), libc::EINVAL, "cpu_affinity");
    oracle.refuses(oracle.command("true").cpu_affinity([8191]), libc::EINVAL, "cpu_affinity");
    oracle.is_invalid(oracle.command("true").cpu_affinity([0, 8192]), "cpu_affinity: no CPU 8192");
}

#[test]
fn scores_nice_values_and_groups_that_cannot_be_are_named() {
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").oom_score_adj(1001), libc::EINVAL, "oom_score_adj 1001");
    oracle.is_invalid(oracle.command("true").nice(20), "nice: 20 is not between -20 and 19");
    oracle.is_invalid(oracle.command("true").nice(-21), "nice: -21 is not between -20 and 19");
    oracle.refuses(oracle.command("true").process_group(-7), libc::EINVAL, "process_group -7");
    oracle.refuses(oracle.command("true").process_group(i32::MAX), libc::EPERM, "process_group 2147483647");
}

#[test]
fn directories_that_are_no_control_groups_are_refused() {
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").cgroup("/nope"), libc::ENOENT, r#"cgroup "/nope""#);
    oracle.refuses(oracle.command("true").cgroup("/dev/null"), libc::ENOTDIR, r#"cgroup "/dev/null""#);
    let directory = Scratch::new("cgroup");
    fs::create_dir(&*directory).unwrap();
    let text = format!("cgroup {:?}: it is no control group", &*directory);
    oracle.is_invalid(oracle.command("true").cgroup(&*directory), &text);
}

#[test]
fn what_is_no_terminal_cannot_be_the_controlling_one() {
    let oracle = Oracle::new();
    let file = File::open("/dev/null").unwrap();
    let mut command = oracle.command("true");
    command.controlling_terminal(file);
    oracle.refuses(&mut command, libc::ENOTTY, "controlling_terminal");
}

#[test]
fn a_terminal_of_another_session_cannot_be_the_controlling_one() {
    let oracle = Oracle::new();
    let (_ours, theirs) = terminal();
    let mut leader = Command::new("cat");
    leader.stdin(theirs.try_clone().unwrap()).controlling_terminal(&theirs).kill_on_drop(true);
    let _leader = leader.spawn().unwrap();
    let mut thief = oracle.command("true");
    thief.controlling_terminal(&theirs);
    oracle.refuses(&mut thief, libc::EPERM, "controlling_terminal");
}

#[test]
fn numbers_that_are_no_signals_are_refused() {
    let oracle = Oracle::new();
    for number in [0, 65, -1] {
        let text = format!("parent_death_signal: {number} is no signal");
        oracle.is_invalid(oracle.command("true").parent_death_signal(number), &text);
    }
}

#[test]
fn an_entry_cannot_run_in_a_new_namespace_of_process_numbers() {
    #[anyfork::entry]
    fn before() {}
    let oracle = Oracle::new();
    let text = "namespaces: a new namespace of process numbers and an entry before the exec exclude each other";
    let mut command = oracle.command("true");
    oracle.is_invalid(command.namespaces(Namespaces::PID).pre_exec_entry(before, [""; 0]), text);
}
