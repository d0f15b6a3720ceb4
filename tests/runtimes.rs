//! What awaiting adds to a program, and what a fork of the program does to it.

use anyfork_tests::{Host, Where, host};

#[test]
fn no_thread_is_made_but_that_of_the_runtime() {
    let check = |mut host: Host, expected: &str| {
        assert_eq!(host.fact("threads"), expected);
        host.finish();
    };
    check(host!("awaiting", "threads-blocking"), "host");
    check(host!("awaiting", "threads", "tokio_current_thread"), "host");
    check(host!("awaiting", "threads", "async_io"), "async-io host");
    check(host!("awaiting", "threads", "no_runtime"), "async-io host");
}

/// The system has one epoll set for both, so that what a fork takes out is out.
fn is_undisturbed(kind: &str) {
    for (place, runtime) in Where::ALL {
        if runtime == Where::TokioMultiThread {
            // fork(2) takes one thread along, and its locks.
            continue;
        }
        let mut host = host!("awaiting", "forked", place, kind);
        for (key, said) in [("dropped", "dropped"), ("awaited", "foreign")] {
            assert_eq!(host.fact(&format!("{key}-in-fork")), said, "{place}");
            assert_eq!(host.fact(&format!("{key}-in-loop")), "right", "{place}: {key} in the fork");
            assert_eq!(host.fact(&format!("{key}-in-fork-of-poll")), said, "{place}");
            assert_eq!(host.fact(&format!("{key}-by-poll")), "right", "{place}: {key} in the fork");
        }
        host.finish();
    }
}

#[test]
fn a_fork_of_the_program_does_not_disturb_a_start() {
    is_undisturbed("start");
}

#[test]
fn a_fork_of_the_program_does_not_disturb_an_end() {
    is_undisturbed("exited");
}

#[test]
fn a_fork_of_the_program_does_not_disturb_a_status() {
    is_undisturbed("status");
}

#[test]
fn a_fork_of_the_program_does_not_disturb_an_output() {
    is_undisturbed("output");
}
