//! `tokio_pool`: every job is answered, whoever dies.

use crate::support::{Example, ctrl_c, number_after, run, signal};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// The jobs whose answers were printed. No two answers may be for the same one.
fn answered(lines: &[String]) -> BTreeSet<u32> {
    let answers = lines.iter().filter(|line| line.starts_with("job ") && line.contains(" = "));
    let jobs: Vec<u32> = answers.map(|line| number_after(line, "job ")).collect();
    let set: BTreeSet<u32> = jobs.iter().copied().collect();
    assert_eq!(jobs.len(), set.len(), "a job was answered twice: {lines:#?}");
    set
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

/// The lines tell that this worker was killed, that its job went to another one, and that somebody replaced it.
fn assert_lost_and_replaced(lines: &[String], pid: u32, job: u32) {
    let place = |text: &str| lines.iter().position(|line| line.starts_with(text));
    let lost = place(&format!("job {job} goes back, worker {pid}: ")).unwrap_or_else(|| panic!("{lines:#?}"));
    let ended = place(&format!("worker {pid} ended: signal: 9 (SIGKILL)")).unwrap_or_else(|| panic!("{lines:#?}"));
    let again = lines[lost..].iter().find(|line| line.starts_with(&format!("job {job} is given to worker ")));
    assert!(again.is_some_and(|line| number_after(line, "to worker ") != pid), "{lines:#?}");
    let new = lines[ended..].iter().find(|line| line.ends_with(" started"));
    assert!(new.is_some_and(|line| number_after(line, "worker ") != pid), "{lines:#?}");
}

#[test]
fn all_jobs_are_answered_though_a_worker_is_killed_in_the_middle() {
    let lines = run("tokio_pool", &[]);
    assert_eq!(answered(&lines), (1..=40).collect(), "{lines:#?}");
    assert!(lines.contains(&"job 1: 600851475143 = 71 * 839 * 1471 * 6857".to_owned()), "{lines:#?}");
    let kill = lines.iter().find(|line| line.starts_with("killing worker ")).expect("a worker is killed");
    assert_lost_and_replaced(&lines, number_after(kill, "worker "), number_after(kill, "job "));
    assert_eq!(count(&lines, " ended: exit status: 0"), 4, "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("40 jobs answered, 0 failed, 0 not done"));
}

#[test]
fn a_worker_killed_from_outside_is_replaced_and_its_job_done_by_another() {
    let mut example =
        Example::start("tokio_pool", &["--kills", "0", "--workers", "2", "--jobs", "10", "--milliseconds", "300"]);
    let line = example.line_with("job 3 is given to worker ");
    let pid = number_after(&line, "to worker ");
    signal(pid, Signal::KILL);
    let lines = example.finish_well();
    assert_eq!(answered(&lines), (1..=10).collect(), "{lines:#?}");
    assert_lost_and_replaced(&lines, pid, 3);
    assert_eq!(lines.last().map(String::as_str), Some("10 jobs answered, 0 failed, 0 not done"));
}

#[test]
fn a_killed_template_takes_all_workers_with_it_and_all_are_replaced() {
    let mut example =
        Example::start("tokio_pool", &["--kills", "0", "--workers", "2", "--jobs", "10", "--milliseconds", "300"]);
    example.line_with("job 3 is given to worker ");
    let processes = anyfork_examples::process_tree(example.pid()).expect("the process tree");
    let template = processes.iter().find(|(depth, _)| *depth == 2).expect("a template").1.pid;
    signal(template, Signal::KILL);
    let lines = example.finish_well();
    assert_eq!(answered(&lines), (1..=10).collect(), "{lines:#?}");
    assert_eq!(count(&lines, " started"), 4, "{lines:#?}");
}

#[test]
fn a_job_that_no_worker_survives_is_given_up_and_the_others_are_done() {
    let finished = Example::start("tokio_pool", &["--poison", "--kills", "0", "--jobs", "8"]).finish();
    let lines = finished.lines;
    assert_eq!(finished.status.code(), Some(1), "a job has failed: {lines:#?}");
    assert_eq!(answered(&lines), (2..=9).collect(), "{lines:#?}");
    assert_eq!(count(&lines, "job 1 is given to worker "), 3, "{lines:#?}");
    assert_eq!(count(&lines, " ended: signal: 6 (SIGABRT)"), 3, "{lines:#?}");
    assert!(lines.contains(&"job 1 failed: Err(GivenUp { tries: 3 })".to_owned()), "{lines:#?}");
}

#[test]
fn ctrl_c_ends_it_when_the_jobs_at_hand_are_done() {
    let mut example =
        Example::start("tokio_pool", &["--kills", "0", "--workers", "2", "--jobs", "1000", "--milliseconds", "300"]);
    example.line_with("job 2 is given to worker ");
    // Time for the workers to have entered their loops, as Ctrl-C reaches them too.
    thread::sleep(Duration::from_millis(150));
    ctrl_c(&example);
    let lines = example.finish_well();
    assert_eq!(answered(&lines), BTreeSet::from([1, 2]), "{lines:#?}");
    assert_eq!(count(&lines, " ended: exit status: 0"), 2, "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("2 jobs answered, 0 failed, 998 not done"));
}

#[test]
fn a_second_signal_does_not_wait_for_jobs() {
    let mut example = Example::start("tokio_pool", &["--kills", "0", "--jobs", "100", "--milliseconds", "5000"]);
    example.line_with("job 4 is given to worker ");
    signal(example.pid(), Signal::TERM);
    example.line_with("ending");
    signal(example.pid(), Signal::TERM);
    let lines = example.finish_well();
    assert_eq!(lines.last().map(String::as_str), Some("0 jobs answered, 0 failed, 100 not done"));
}

#[test]
fn a_killed_main_program_leaves_nobody() {
    let mut example = Example::start("tokio_pool", &["--kills", "0", "--jobs", "100", "--milliseconds", "5000"]);
    example.line_with("job 4 is given to worker ");
    assert_eq!(example.processes().len(), 1 + 2 + 4, "main program, two templates, four workers");
    signal(example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    let finished = example.finish();
    assert_eq!(finished.status.code(), None);
}

#[test]
fn wrong_arguments_are_refused() {
    for args in [["--workers", "many"], ["--workers", "0"], ["--jobs", "0"], ["--milliseconds", "-1"], ["--kill", "1x"]]
    {
        let finished = Example::start("tokio_pool", &args).finish();
        assert_eq!(finished.status.code(), Some(2), "{args:?}");
        assert!(finished.errors.starts_with("error: "), "{args:?}: {}", finished.errors);
        assert_eq!(finished.lines, [""; 0], "{args:?}");
    }
}
