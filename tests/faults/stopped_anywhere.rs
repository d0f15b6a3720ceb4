//! A process is stopped at any of its system calls: every request has its answer by its deadline, and when the process goes on, all that was given up ends.

use crate::interfered::{
    BOUND, DEFAULT_TEMPLATE, FRESH, Fault, IS_FORCED, Interfered, Left, POLLED, PROGRAM, TEMPLATE, WORKER, unusual,
};
use anyfork_tests::interception::{self, Verdict};
use anyfork_tests::signal;
use rustix::process::Signal;

/// One in so many calls, as each takes its deadlines.
const SAMPLE: usize = if IS_FORCED { 1000 } else { 61 };

/// `steps` are those that such a process may hold up, and that have little time therefore. The others have enough on any machine.
fn stopped_anywhere(role: &'static str, steps: &[&str], stride: usize) {
    if !interception::is_possible() {
        return;
    }
    let usual = Left::usually();
    for nth in (1..).step_by(stride) {
        let mut run = Interfered::start(Fault { role, nth, verdict: Verdict::Stop }, steps);
        let unusual = unusual(&run.steps());
        let Some(call) = run.hit().cloned() else {
            run.settle();
            return run.works_again(&usual);
        };
        eprintln!("stopped at call {nth}, {}: {unusual:?}", call.number);
        for (step, told) in unusual {
            let is_late = told.starts_with("error Deadline 0 ") || told == "none" || (step == "answer" && told == "0");
            assert!(is_late && steps.contains(&&*step), "{step}: {told}");
        }
        signal(call.pid, Signal::CONT);
        run.settle();
        run.works_again(&usual);
    }
}

fn workers(stride: usize) {
    stopped_anywhere(WORKER, &["worker", "answer", "status"], stride);
    stopped_anywhere(BOUND, &["bound"], stride);
    stopped_anywhere(POLLED, &["polled", "polled-status"], stride);
}

fn template(stride: usize) {
    let workers = ["worker", "answer", "status", "bound", "bound-status", "polled", "polled-status"];
    stopped_anywhere(TEMPLATE, &[&["template"], &workers[..]].concat(), stride);
}

fn default_template(stride: usize) {
    let steps = ["template", "fresh", "fresh-status", "program", "program-status"];
    stopped_anywhere(DEFAULT_TEMPLATE, &steps, stride);
}

fn fresh(stride: usize) {
    stopped_anywhere(FRESH, &["fresh", "fresh-status"], stride);
}

fn program(stride: usize) {
    stopped_anywhere(PROGRAM, &["program", "program-status"], stride);
}

#[test]
fn workers_at_some_calls() {
    workers(SAMPLE);
}

#[test]
fn a_template_at_some_calls() {
    template(SAMPLE);
}

#[test]
fn the_default_template_at_some_calls() {
    default_template(SAMPLE);
}

#[test]
fn a_process_that_is_executed_afresh_at_some_calls() {
    fresh(SAMPLE);
}

#[test]
fn an_external_program_at_some_calls() {
    program(SAMPLE);
}

#[test]
#[ignore = "slow: run by cargo xtask soak"]
fn each_of_them_at_each_call() {
    for all in [workers, template, default_template, fresh, program] {
        all(1);
    }
}
