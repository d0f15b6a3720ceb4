//! A system call fails that might: the request that it was made for fails with its errno, or succeeds all the same. It is one request, the others succeed, and
//! nothing is left over.

use crate::interfered::{
    BOUND, DEFAULT_TEMPLATE, FRESH, Fault, Interfered, Left, MAIN, POLLED, PROGRAM, STRIDE, TEMPLATE, WORKER, unusual,
};
use anyfork_tests::interception::{self, Verdict};
use anyfork_tests::needs_kept_statuses;

/// Interrupted is in the way of nothing; the others are at the worst those of the one request.
const ERRNOS: [i32; 4] = [libc::EINTR, libc::EAGAIN, libc::EMFILE, libc::ENOMEM];

/// `steps` are those that calls of this role are made for; `may` says what else a step may come to when there is no memory.
fn failing_anywhere(role: &'static str, steps: &[&str], may: impl Fn(&str, &str) -> bool) {
    if !interception::is_possible() {
        return;
    }
    let usual = Left::usually();
    for errno in ERRNOS {
        let fails = |step: &str, told: &str| {
            errno != libc::EINTR && steps.contains(&step) && told.starts_with(&format!("error System {errno} "))
        };
        for nth in (1..).step_by(STRIDE) {
            let mut run = Interfered::start(Fault { role, nth, verdict: Verdict::Fail(errno) }, &[]);
            let unusual = unusual(&run.settle());
            let Some(call) = run.hit() else {
                run.works_again(&usual);
                break;
            };
            eprintln!("errno {errno} at call {nth} that may fail with it, {}: {unusual:?}", call.number);
            assert!(unusual.len() <= 1, "more than one request has failed");
            for (step, told) in unusual {
                let is_out_of_memory = errno == libc::ENOMEM && may(&step, &told);
                assert!(fails(&step, &told) || is_out_of_memory, "{step}: {told}");
            }
            run.works_again(&usual);
        }
    }
}

#[test]
fn in_the_main_program() {
    let mut steps = vec!["template", "worker", "bound", "polled", "fresh", "program"];
    if cfg!(anyfork_no_pidfd_hangup) {
        // What an event loop is given then has a timer of its own, and cannot be had without.
        steps.push("polled-status");
    }
    failing_anywhere(MAIN, &steps, |_, _| false);
}

#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "without the kernel's record nobody knows how workers ended whose template could not say it"
)]
fn a_template_whose_socket_fails_is_given_up_and_waited_for() {
    if !needs_kept_statuses() {
        return;
    }
    if !interception::is_possible() {
        return;
    }
    let usual = Left::usually();
    for nth in (1..).step_by(STRIDE) {
        let mut run = Interfered::start(Fault { role: MAIN, nth, verdict: Verdict::Fail(libc::EIO) }, &[]);
        let unusual = unusual(&run.settle());
        let is_over = run.hit().is_none();
        for (step, told) in unusual {
            let is_told = told.starts_with("error System 5 ") || told.starts_with("error TemplateGone 0 ");
            assert!(is_told && !step.ends_with("status"), "{step}: {told}");
        }
        run.works_again(&usual);
        if is_over {
            break;
        }
    }
}

#[test]
fn in_the_default_template() {
    // Its loader ends it.
    let may = |step: &str, told: &str| step == "template" && told.starts_with("error TemplateGone 0 ");
    failing_anywhere(DEFAULT_TEMPLATE, &["template", "fresh", "program"], may);
}

#[test]
fn in_a_template() {
    failing_anywhere(TEMPLATE, &["template", "worker", "bound", "polled"], |_, _| false);
}

#[test]
fn in_workers() {
    failing_anywhere(WORKER, &["worker"], |_, _| false);
    failing_anywhere(BOUND, &["bound"], |_, _| false);
    failing_anywhere(POLLED, &["polled"], |_, _| false);
}

#[test]
fn in_a_process_that_is_executed_afresh() {
    let may = |step: &str, told: &str| step == "fresh" && told.starts_with("error ProcessGone 0 ");
    failing_anywhere(FRESH, &["fresh"], may);
}

#[test]
fn in_an_external_program() {
    // Its own affair, and told truly.
    let may = |step: &str, told: &str| step == "program-status" && !told.starts_with("error");
    failing_anywhere(PROGRAM, &["program"], may);
}
