//! What tracing is told, in the caller, in templates and in workers.

use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::{Scratch, wait_until};
use std::fs::{self, File};
use std::process::ExitCode;
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

/// Writes spans, when they close, and events to a file: in a template, and so in its workers.
#[anyfork::entry]
fn subscribe(path: String) -> std::io::Result<()> {
    let file = File::options().append(true).create(true).open(path)?;
    tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(std::sync::Arc::new(file))
        .init();
    Ok(())
}

#[anyfork::entry]
fn work(code: u8) -> ExitCode {
    tracing::info!(context = anyfork::trace_context(), "at work");
    code.into()
}

/// Runs `what` with a subscriber, and returns what that was told.
fn told(what: impl FnOnce()) -> String {
    let log = Scratch::new("caller");
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(std::sync::Arc::new(File::create(&*log).unwrap()))
        .finish();
    tracing::subscriber::with_default(subscriber, what);
    fs::read_to_string(&*log).unwrap()
}

fn template(log: &str) -> Template {
    Process::new().call(subscribe, [log]).template().unwrap()
}

/// The first line that has all of these.
fn line<'a>(text: &'a str, parts: &[&str]) -> &'a str {
    let found = text.lines().find(|line| parts.iter().all(|part| line.contains(part)));
    found.unwrap_or_else(|| panic!("no line with {parts:?} in:\n{text}"))
}

#[test]
fn the_caller_is_told_of_starts_and_ends_with_their_pids_and_times() {
    let mut pid = 0;
    let log = told(|| {
        let worker = Process::new().arg(3).run(work).unwrap();
        pid = worker.pid();
        assert_eq!(worker.wait().unwrap().code(), Some(3));
    });
    let pid = format!("pid={pid}");
    let start = line(&log, &["start{", &pid, "close"]);
    assert!(start.contains("tracing::work") && start.contains("elapsed_us="), "{start}");
    let exit = line(&log, &["exit{", &pid, "close"]);
    assert!(exit.contains("status=exit status: 3") && exit.contains("elapsed_us="), "{exit}");
    line(&log, &["ready", &pid]);
    line(&log, &["exited", "status=exit status: 3"]);
}

#[test]
fn the_caller_is_told_of_a_start_that_failed() {
    let log = told(|| {
        let error = Process::new().arg("three").run(work).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inputs);
    });
    line(&log, &["start{", "error=", "expected an argument that is a u8", "failed"]);
    assert!(!log.contains("exit{"), "{log}");
}

#[test]
fn a_template_is_told_of_forks_and_a_worker_of_its_run() {
    let log = Scratch::new("inside");
    let template = template(&log);
    let worker = template.fork().arg(4).run(work).unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(4));
    let pid = format!("pid={}", worker.pid());
    let has_fork = || fs::read_to_string(&*log).unwrap().lines().any(|it| it.contains("fork{") && it.contains(&pid));
    assert!(wait_until(Duration::from_secs(5), has_fork), "no fork");
    let text = fs::read_to_string(&*log).unwrap();
    let run = line(&text, &["run{", "close"]);
    assert!(run.contains(&pid) && run.contains("tracing::work") && run.contains("code=4"), "{run}");
    line(&text, &["run{", "at work"]);
    assert_eq!(text.matches("close").count(), 2, "each span closes once, in one process:\n{text}");
}

/// It was forked before anybody asked for it, and is started when somebody does.
#[test]
fn a_spare_is_told_of_as_any_other_but_its_fork_comes_first() {
    let log = Scratch::new("spare");
    let template = template(&log);
    template.spares(0..=2).unwrap();
    assert!(wait_until(Duration::from_secs(5), || template.spares_waiting() == 2));
    let read = || fs::read_to_string(&*log).unwrap();
    assert!(wait_until(Duration::from_secs(5), || read().matches("fork{").count() == 2), "{}", read());
    assert!(!read().contains("run{"), "nothing runs yet:\n{}", read());
    let mut pid = 0;
    let of_caller = told(|| {
        let worker = template.fork().arg(4).trace_context("of the start").run(work).unwrap();
        pid = worker.pid();
        assert_eq!(worker.wait().unwrap().code(), Some(4));
    });
    let pid = format!("pid={pid}");
    line(&of_caller, &["start{", &pid, "tracing::work", "close"]);
    line(&of_caller, &["exit{", &pid, "status=exit status: 4", "close"]);
    let text = read();
    line(&text, &["fork{", &pid, "close"]);
    let run = line(&text, &["run{", "close"]);
    assert!(run.contains(&pid) && run.contains("context=\"of the start\"") && run.contains("code=4"), "{run}");
    assert_eq!(text.matches("close").count(), 3, "each span closes once, in one process:\n{text}");
}

#[test]
fn the_context_of_the_caller_reaches_the_worker() {
    let log = Scratch::new("context");
    let template = template(&log);
    let run = |process: Process| process.arg(0).run(work).unwrap().wait().unwrap();
    run(template.fork());
    let text = fs::read_to_string(&*log).unwrap();
    assert!(!line(&text, &["at work"]).contains("context"), "nobody is told of a caller without spans:\n{text}");

    run(template.fork().trace_context("00-4bf92f-00f067-01"));
    let text = fs::read_to_string(&*log).unwrap();
    line(&text, &["run{", "context=\"00-4bf92f-00f067-01\"", "at work context=\"00-4bf92f-00f067-01\""]);

    told(|| tracing::info_span!("request").in_scope(|| assert!(run(template.fork()).success())));
    let text = fs::read_to_string(&*log).unwrap();
    line(&text, &["run{", "context=\"request ", &format!(" in {}", std::process::id())]);
}

#[test]
fn a_context_that_is_too_long_is_an_error() {
    let error = Process::new().arg(0).trace_context("x".repeat(5000)).run(work).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
