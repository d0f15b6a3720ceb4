//! A program that must not be forked is not forked, whatever it starts.

use anyfork_tests::{Host, LONG, SOON, host, wait_until, within};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Instant;

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn what_would_fork_the_program_is_refused() {
    let mut host = host!("policy", "refused");
    let text = "it would fork the program, which its policy forbids (Policy::NeverFork)";
    assert_eq!(host.fact("early"), format!("Unsupported early: {text}"));
    assert_eq!(host.fact("template-here"), format!("Unsupported template_here: {text}"));
    assert_eq!(host.fact("command"), "none");
    assert_eq!(host.fact("early-again"), "Unsupported early: there is a default template already");
    assert_eq!(host.fact("template-here-again"), "none", "under the other policy");
    host.fact("look-after");
    // Nothing is left of what was refused.
    within(LONG, "the dropped template ends", || host.has_only_its_template().then_some(()));
    host.go();
    host.finish();
}

/// Everything was started, and the default template is the only child.
fn all_succeed(mut host: Host) {
    for _ in 0..3 {
        assert_eq!(host.fact("outcome"), "well");
    }
    assert_eq!(host.fact("all"), "well");
    host.fact("look-after");
    within(SOON, "only host and default template", || host.has_only_its_template().then_some(()));
    host.default_template();
    host.go();
    host.finish();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn everything_starts_in_a_program_that_a_fork_would_kill() {
    let mut host = host!("policy", "never", "later");
    assert_eq!(host.fact("first"), "none");
    all_succeed(host);
}

#[test]
fn the_default_template_starts_in_a_program_that_a_fork_would_kill() {
    all_succeed(host!("policy", "never", "at-once"));
}

/// How the host ended that was told to do this.
fn ends(kind: &str) -> (Option<i32>, String) {
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &["policy", "control", kind]);
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < LONG);
    (output.status.signal(), String::from_utf8(output.stdout).unwrap())
}

/// The filter works, so the tests above mean something.
#[test]
fn a_fork_kills_the_program() {
    for kind in ["std", "template-here"] {
        let (signal, told) = ends(kind);
        assert_eq!((signal, told.as_str()), (Some(libc::SIGSYS), "first none\narmed \n"), "{kind}");
    }
    let (signal, told) = ends("without");
    assert_eq!(signal, None);
    assert!(told.ends_with("exit status: 0\nend \n"), "std without pre_exec shares the memory: {told}");
}

#[test]
fn a_program_that_waits_for_any_child_gets_none_of_what_it_started() {
    let mut host = host!("policy", "children");
    assert_eq!(host.fact("first"), "none");
    assert_eq!(host.fact("waited-for"), "");
    let before = host.numbers("before");
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(host.numbers("after"), before);
    host.finish();
    assert!(wait_until(LONG, || host.family().is_empty()));
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn a_default_template_that_was_replaced_leaves_no_zombie() {
    let mut host = host!("policy", "replaced");
    assert_eq!([host.fact("first"), host.fact("second")], ["none"; 2]);
    host.fact("look-after");
    let only_one = wait_until(SOON, || host.has_only_its_template());
    assert!(only_one, "zombies: {:?}", host.zombies());
    host.go();
    host.finish();
}
