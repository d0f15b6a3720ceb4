//! What a host does with signals and with waiting for children disturbs nothing, and none of it reaches workers.

use anyfork_tests::{host, status};

#[test]
fn a_host_may_ignore_sigchld() {
    let mut host = host!("signals", "ignore");
    assert_eq!(host.number("wrong"), 0);
    host.finish();
}

/// SA_NOCLDWAIT: no child of its own leaves a status.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds signals go through the template, which is gone")]
fn a_host_may_have_no_zombies() {
    let mut host = host!("signals", "no-zombies");
    assert_eq!(host.number("wrong"), 0);
    assert_eq!(host.number("calls"), 0);
    assert_eq!(host.fact("template-again"), "true");
    host.finish();
}

#[test]
fn a_handler_of_sigchld_hears_of_no_worker() {
    let mut host = host!("signals", "handler");
    assert_eq!(host.number("wrong"), 0);
    assert_eq!(host.number("calls"), 0);
    host.finish();
}

#[test]
fn a_thread_that_waits_for_any_child_gets_no_worker() {
    let mut host = host!("signals", "wait");
    assert_eq!(host.number("wrong"), 0);
    assert_eq!(host.fact("waited-for"), "");
    host.finish();
}

#[test]
fn interrupted_system_calls_are_tried_again() {
    let mut host = host!("signals", "timer");
    assert_eq!((host.number("wrong"), host.number("wrong-outputs")), (0, 0));
    assert!(host.number("calls") > 100, "the timer did not disturb");
    host.finish();
}

fn begins_with_default_signals(origin: &str) {
    const SIGPIPE: u64 = 1 << 12;
    // Signals 32 and 33, which glibc keeps for itself: its posix_spawn leaves them ignored, and nobody can change that.
    const OF_THE_C_LIBRARY: u64 = 3 << 31;
    let mut host = host!("signals", "state", origin);
    host.fact("ready");
    let set = |pid, field| u64::from_str_radix(&status(pid, field), 16).unwrap() & !OF_THE_C_LIBRARY;
    assert_ne!(set(host.pid(), "SigBlk"), 0);
    assert_ne!(set(host.pid(), "SigIgn"), SIGPIPE);
    let worker = host.number("worker");
    assert_eq!(set(worker, "SigBlk"), 0, "blocked");
    assert_eq!(set(worker, "SigIgn"), SIGPIPE, "ignored");
    assert_eq!(set(worker, "SigCgt"), 0, "handled");
    host.go();
    host.finish();
}

#[test]
fn workers_of_the_default_template_begin_with_default_signals() {
    begins_with_default_signals("default");
}

#[test]
fn workers_of_a_nested_template_begin_with_default_signals() {
    begins_with_default_signals("nested");
}

#[test]
fn workers_from_spares_begin_with_default_signals() {
    begins_with_default_signals("spare");
}

#[test]
fn fresh_execs_begin_with_default_signals() {
    begins_with_default_signals("exec");
}

#[test]
fn workers_of_an_early_template_begin_with_default_signals() {
    begins_with_default_signals("early");
}

#[test]
fn workers_of_a_template_made_here_begin_with_default_signals() {
    begins_with_default_signals("here");
}
