//! A process is killed at each of its system calls, before it is made: every request has one answer that is right, nobody is left behind, and the next ones work.

use crate::interfered::{
    BOUND, DEFAULT_TEMPLATE, FRESH, Fault, Interfered, Left, MAIN, POLLED, PROGRAM, STRIDE, TEMPLATE, WORKER, unusual,
};
use anyfork_tests::interception::{self, Verdict};
use anyfork_tests::{LONG, SOON, lives, needs_kept_statuses, within};

/// A process that is killed has made so many calls, at the least.
const FEW: usize = 10;

const KILLED: &str = "signal: 9 (SIGKILL)";

fn fault(role: &'static str, nth: usize) -> Fault {
    Fault { role, nth, verdict: Verdict::Kill }
}

/// `own` is the step that tells how the process ended, and `may` says what else a step may come to.
fn killed_anywhere(role: &'static str, own: Option<&str>, may: impl Fn(&str, &str) -> bool) {
    if !interception::is_possible() {
        return;
    }
    let usual = Left::usually();
    for nth in (1..).step_by(STRIDE) {
        let mut run = Interfered::start(fault(role, nth), &[]);
        let facts = run.settle();
        let Some(call) = run.hit() else {
            assert!(nth > FEW, "{nth}");
            return run.works_again(&usual);
        };
        let unusual = unusual(&facts);
        eprintln!("killed at call {nth}, {}: {unusual:?}", call.number);
        assert!(role != DEFAULT_TEMPLATE || unusual.len() <= 1, "the next use starts another");
        for (step, told) in unusual {
            assert!(may(&step, &told) || (own == Some(&step) && told == KILLED), "{step}: {told}");
        }
        let status = own.and_then(|own| facts.get(own));
        assert!(status.is_none_or(|status| status == KILLED), "{status:?}");
        run.works_again(&usual);
    }
}

fn is_gone(told: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| told.starts_with(&format!("error {kind} 0 ")))
}

#[test]
fn a_worker() {
    killed_anywhere(WORKER, Some("status"), |step, told| match step {
        "worker" => is_gone(told, &["ProcessGone"]),
        "answer" => told == "0",
        _ => false,
    });
}

#[test]
fn a_worker_bound_to_its_owner() {
    killed_anywhere(BOUND, Some("bound-status"), |step, told| step == "bound" && is_gone(told, &["ProcessGone"]));
}

#[test]
fn a_worker_that_an_event_loop_waits_for() {
    killed_anywhere(POLLED, Some("polled-status"), |step, told| match step {
        "polled" => is_gone(told, &["ProcessGone"]),
        _ => false,
    });
}

#[test]
fn a_template() {
    killed_anywhere(TEMPLATE, None, |step, told| match step {
        "template" => is_gone(told, &["ProcessGone"]),
        "worker" | "bound" | "polled" => is_gone(told, &["ProcessGone", "TemplateGone"]),
        _ => false,
    });
}

#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "it cannot be waited for safely, and it depends on init how its workers ended"
)]
fn the_default_template() {
    if !needs_kept_statuses() {
        return;
    }
    killed_anywhere(DEFAULT_TEMPLATE, None, |step, told| match step {
        "template" | "fresh" | "program" => is_gone(told, &["ProcessGone", "TemplateGone"]),
        _ => false,
    });
}

#[test]
fn a_process_that_is_executed_afresh() {
    killed_anywhere(FRESH, Some("fresh-status"), |step, told| match step {
        "fresh" => is_gone(told, &["ProcessGone"]),
        _ => false,
    });
}

#[test]
fn an_external_program() {
    killed_anywhere(PROGRAM, Some("program-status"), |step, told| match step {
        "program" => is_gone(told, &["ProcessGone"]),
        _ => false,
    });
}

#[test]
fn the_main_program() {
    if !interception::is_possible() {
        return;
    }
    for nth in (1..).step_by(STRIDE) {
        let mut run = Interfered::start(fault(MAIN, nth), &[]);
        within(LONG, "it is killed, or takes all steps", || {
            (run.hit().is_some() || run.it.host.facts().contains_key("settled")).then_some(())
        });
        let Some(call) = run.hit() else {
            assert!(nth > FEW, "{nth}");
            run.settle();
            return run.works_again(&Left::usually());
        };
        let what = format!("killed at call {nth}, {}", call.number);
        within(SOON, &what, || (!lives(run.it.host.pid())).then_some(()));
        assert_eq!(unusual(run.it.host.facts()), [], "{what}");
        run.it.host.kill();
        run.it.nobody_is_left_after(SOON);
    }
}
