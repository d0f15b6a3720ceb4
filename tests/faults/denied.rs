//! A filter denies a system call to the program and all its processes, with the errno of a kernel that does not have it, or with the one that containers have for what
//! they do not allow (moby#42680): another way is taken, or there is an error that names the step.

use crate::interfered::{DEFAULT_TEMPLATE, IS_FORCED, MAIN, TEMPLATE, WORKER, unusual};
use anyfork_tests::interception::{self, Call, Intercepted, Sysno, Verdict};
use anyfork_tests::{Host, SOON, within};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What the processes of a scenario have called, by their roles.
type Made = BTreeSet<(String, Sysno)>;

/// Takes all steps twice, with each errno. Returns what was unusual, and which calls have been made.
fn denied(call: Sysno, mut check: impl FnMut(i32, &[(String, String)], &Made)) {
    if !interception::is_possible() {
        return;
    }
    for errno in [libc::ENOSYS, libc::EPERM] {
        let made = Arc::new(Mutex::new((Made::new(), 0)));
        let decide = {
            let made = Arc::clone(&made);
            move |it: &Call| {
                let mut made = made.lock().unwrap();
                if it.number == call {
                    made.1 += 1;
                    return Verdict::Fail(errno);
                }
                made.0.insert((it.role.clone(), it.number));
                Verdict::Make
            }
        };
        let command = Host::command(env!("CARGO_BIN_EXE_host"), &["intercepted"]);
        let mut run = Intercepted::start(command, decide);
        run.host.fact("settled");
        run.go();
        run.host.fact("done");
        let facts = run.host.facts();
        let steps = unusual(facts);
        let (made, times) = made.lock().unwrap().clone();
        eprintln!("{call} denied {times} times with errno {errno}: {steps:?}");
        assert!(times > 0 || IS_FORCED, "nobody has asked for it");
        check(errno, &steps, &made);
        for (step, told) in &steps {
            assert_eq!(facts.get(&format!("again-{step}")), Some(told), "{step} the second time");
        }
        // A default template that did not get ready is waited for when anyfork is used next.
        if steps.is_empty() {
            within(SOON, "no zombies are left", || run.host.zombies().is_empty().then_some(()));
        }
        run.go();
        run.host.finish();
        run.nobody_is_left_after(SOON);
    }
}

/// All steps come to what they always do, and `role` makes another call for it.
fn has_another_way(call: Sysno, role: &str, other: Sysno) {
    denied(call, |errno, steps, made| {
        assert_eq!(steps, [], "errno {errno}");
        assert!(made.contains(&(role.to_owned(), other)), "{other} was not called: {made:?}");
    });
}

/// These steps fail with the errno and the name of what could not be done.
fn is_told(call: Sysno, failing: &[&str], what: &str) {
    denied(call, |errno, steps, _| {
        assert_eq!(steps.iter().map(|(step, _)| &**step).collect::<Vec<_>>(), failing);
        for (step, told) in steps {
            assert!(told.starts_with(&format!("error System {errno} {what}: ")), "{step}: {told}");
        }
    });
}

#[test]
fn a_program_that_may_not_clone3_starts_processes_by_clone() {
    has_another_way(Sysno::clone3, MAIN, Sysno::clone);
}

#[test]
fn without_pidfds_signals_go_through_templates() {
    has_another_way(Sysno::pidfd_open, TEMPLATE, Sysno::kill);
}

#[test]
fn where_pidfds_may_not_be_signalled_templates_do_it() {
    has_another_way(Sysno::pidfd_send_signal, TEMPLATE, Sysno::kill);
}

#[test]
fn without_close_range_descriptors_are_listed() {
    has_another_way(Sysno::close_range, DEFAULT_TEMPLATE, Sysno::getdents64);
}

#[test]
fn without_waitid_children_are_waited_for_by_wait4() {
    has_another_way(Sysno::waitid, TEMPLATE, Sysno::wait4);
}

#[test]
fn without_unshare_threads_are_counted() {
    has_another_way(Sysno::unshare, DEFAULT_TEMPLATE, Sysno::statx);
}

#[test]
fn without_statx_files_are_looked_at_by_fstat() {
    has_another_way(Sysno::statx, WORKER, Sysno::newfstatat);
}

#[test]
fn without_memory_files_there_are_no_large_arguments() {
    is_told(Sysno::memfd_create, &["worker"], "put an argument into a memory file");
}

#[test]
fn without_a_source_of_random_numbers_nothing_is_handed_over() {
    is_told(Sysno::getrandom, &["template", "fresh", "program"], "make a nonce");
}

#[test]
fn without_a_signalfd_there_is_no_template() {
    is_told(Sysno::signalfd4, &["template", "fresh", "program"], "read signals");
}

#[test]
fn without_prctl_there_is_no_default_template() {
    is_told(Sysno::prctl, &["template", "fresh", "program"], "adopt orphans");
}

#[test]
#[cfg_attr(anyfork_no_pidfd_hangup, ignore = "ends are asked for each millisecond, by a timer")]
fn without_epoll_and_timers_event_loops_are_woken_too_often() {
    for call in [Sysno::epoll_create1, Sysno::epoll_ctl, Sysno::timerfd_create, Sysno::timerfd_settime] {
        denied(call, |errno, steps, _| assert_eq!(steps, [], "{call}, errno {errno}"));
    }
}
