//! `anyfork::doctor()`: what it says is so, and a start takes the way that it names.

#[path = "doctor/denied.rs"]
mod denied;

use anyfork::{Presence, doctor};
use anyfork_tests::{Host, LONG, fresh_user, host, skipped, within};
use std::path::Path;
use std::process::Command;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("it takes root");
    }
    is_root
}

#[test]
fn it_changes_nothing_in_the_program_and_starts_nothing() {
    let mut host = host!("doctor", "plain");
    assert_eq!(host.fact("changed"), "nothing");
    assert_eq!(host.fact("later"), "nothing");
    host.fact("look");
    assert!(host.has_only_its_template(), "{:?}", host.family());
    host.go();
    host.finish();
}

#[test]
fn values_are_those_that_others_see() {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let diagnosis = doctor();
    assert_eq!(diagnosis.kernel(), run("uname", &["-r"]));
    let seen = |name: &str| diagnosis.finding(name).unwrap_or_else(|| panic!("no {name}")).seen.clone();
    let [soft, hard] = ["-Sn", "-Hn"].map(|which| run("sh", &["-c", &format!("ulimit {which}")]));
    assert!(seen("RLIMIT_NOFILE").starts_with(&format!("{soft} (hard: {hard}), ")), "{}", seen("RLIMIT_NOFILE"));
    assert!(seen("kernel.pid_max").starts_with(&run("cat", &["/proc/sys/kernel/pid_max"])));
    assert_eq!(seen("vm.overcommit_memory"), run("cat", &["/proc/sys/vm/overcommit_memory"]));
    assert_eq!(seen("/proc/self/exe"), std::env::current_exe().unwrap().to_str().unwrap());
    // A test has a thread beside the first.
    assert!(seen("fork of this program").contains("values_are_thos"), "{}", seen("fork of this program"));
}

/// Each finding says what becomes of it, and the report has them all.
#[test]
fn the_report_has_all_findings_each_with_its_way() {
    let diagnosis = doctor();
    let report = diagnosis.to_string();
    let mut names: Vec<&str> = diagnosis.findings().iter().map(|finding| finding.name).collect();
    for finding in diagnosis.findings() {
        assert!(!finding.path.is_empty(), "{}", finding.name);
        assert!(report.contains(&finding.to_string()), "{}", finding.name);
        assert_eq!(diagnosis.finding(finding.name), Some(finding));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), diagnosis.findings().len());
    assert!(report.starts_with("anyfork ") && report.contains(&format!(", Linux {}, ", diagnosis.kernel())));
}

#[test]
fn what_this_build_does_not_use_is_told() {
    let diagnosis = doctor();
    let off = [
        ("pidfd_open", cfg!(anyfork_no_pidfd)),
        ("pidfd hang-up", cfg!(anyfork_no_pidfd_hangup)),
        ("PIDFD_GET_INFO", cfg!(anyfork_no_pidfd_info)),
        ("close_range", cfg!(anyfork_no_close_range)),
        ("unshare", cfg!(anyfork_no_unshare)),
        ("clone3", cfg!(anyfork_no_clone_into_cgroup)),
    ];
    for (name, is_off) in off {
        let presence = diagnosis.finding(name).unwrap().presence;
        assert_eq!(presence == Presence::SwitchedOff, is_off, "{name}: {presence}");
    }
}

#[test]
#[cfg_attr(
    any(anyfork_no_close_range, anyfork_no_unshare),
    ignore = "descriptors and threads are looked for in /proc then"
)]
fn without_proc_it_says_that_early_is_the_way_and_it_is() {
    if !is_root() {
        return;
    }
    let mut host = host!("doctor", "without-proc");
    assert_eq!(host.fact("/proc"), "Missing");
    assert!(host.fact("/proc:lost").contains("early()"));
    assert_eq!(host.fact("/proc/self/exe"), format!("Refused({})", libc::ENOENT));
    let start = host.fact("start");
    assert!(start.starts_with(&format!("System {}", libc::ENOENT)), "{start}");
    assert_eq!(host.fact("early"), "none");
    assert_eq!(host.fact("start-again"), "none");
    assert_eq!(host.fact("exec_of_this_program:seen"), "its default template is there already");
    host.finish();
}

#[test]
fn without_a_free_descriptor_it_says_what_it_does_not_know() {
    let mut host = host!("doctor", "few-descriptors");
    let expected = if cfg!(anyfork_no_pidfd) { "SwitchedOff" } else { "Unknown" };
    assert_eq!(host.fact("pidfd_open"), expected);
    assert_eq!(host.fact("pidfd_open:lost").is_empty(), !cfg!(anyfork_no_pidfd));
    assert_eq!(host.fact("memfd_create"), "Unknown");
    assert!(host.fact("RLIMIT_NOFILE:seen").starts_with("3 "), "{}", host.fact("RLIMIT_NOFILE:seen"));
    assert_eq!(host.fact("workers:count"), "0");
    host.finish();
}

#[test]
fn so_many_workers_as_it_says_can_live() {
    for limit in ["16", "64", "201"] {
        let mut host = host!("doctor", "room", limit);
        let (expected, started) = (host.number("workers:count"), host.number("started"));
        assert!(host.fact("workers:seen").ends_with("by RLIMIT_NOFILE"), "{}", host.fact("workers:seen"));
        assert!(host.fact("failed").starts_with(&format!("System {}", libc::EMFILE)), "{}", host.fact("failed"));
        assert!(expected.abs_diff(started) <= 2, "limit {limit}: {expected} expected, {started} started");
        host.finish();
    }
}

#[test]
fn threads_are_named_and_a_fork_refuses_as_it_says() {
    let mut host = host!("doctor", "threads");
    assert_eq!(host.fact("fork_of_this_program"), "Missing");
    let seen = host.fact("fork_of_this_program:seen");
    let refused = host.fact("here");
    assert!(refused.starts_with("Threads") && refused.contains(&seen), "{seen:?}, {refused:?}");
    assert_eq!(host.fact("start"), "none");
    host.finish();
}

#[test]
fn closed_streams_are_named_and_stay_closed() {
    let mut host = host!("doctor", "closed-streams");
    assert_eq!(host.fact("standard_streams"), "Missing");
    assert_eq!(host.fact("standard_streams:seen"), "closed: stdin");
    assert_eq!(host.fact("changed"), "false");
    host.finish();
}

#[test]
fn what_a_user_without_privileges_cannot_do_is_told() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("doctor", "other-user", &user.to_string());
    let lost = host.fact("capabilities:lost");
    assert!(lost.contains("Command::uid"), "{lost}");
    assert!(host.fact("uid").starts_with(&format!("System {}", libc::EPERM)), "{}", host.fact("uid"));
    assert_eq!(host.fact("exec_of_this_program"), "There");
    assert_eq!(host.fact("start"), "none");
    host.finish();
}

#[test]
fn a_program_that_cannot_be_started_again_is_told_why_as_its_start_would() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("doctor", "set-user-id", &user.to_string());
    assert_eq!(host.fact("exec_of_this_program"), "Missing");
    let lost = host.fact("exec_of_this_program:lost");
    assert!(lost.contains("early()"), "{lost}");
    assert_eq!(host.fact("start"), lost);
    host.finish();
}

/// `vm.memfd_noexec` belongs to a namespace of process numbers.
#[test]
fn memory_files_are_made_where_none_may_be_executed() {
    if !is_root() {
        return;
    }
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        return skipped("it takes vm.memfd_noexec (Linux 6.3)");
    }
    let script = "echo 2 > /proc/sys/vm/memfd_noexec && exec \"$0\" doctor memory-files";
    let program = env!("CARGO_BIN_EXE_host");
    let arguments = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, program];
    let mut host = Host::start(Host::command("unshare", &arguments));
    assert_eq!(host.fact("memfd_create"), "There");
    assert_eq!(host.fact("large"), "none");
    host.fact("end");
    within(LONG, "it ends", || host.family().is_empty().then_some(()));
}
