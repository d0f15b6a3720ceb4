//! The deadline of a start whose template does not answer, because it is stopped.

use super::starts::code;
use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::{Scratch, in_runtimes, poll_once, signal, stop};
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);

#[anyfork::entry]
fn leave_a_sign(path: String) {
    std::fs::write(path, "entered").unwrap();
}

in_runtimes! { all:
    the_deadline_of_a_start_is_kept_when_it_is_awaited;
    the_deadline_of_a_program_is_kept_when_its_end_is_awaited;
    what_was_given_up_at_its_deadline_never_starts;
    a_deadline_that_is_past_fails_at_once;
}

async fn stopped() -> Template {
    let template = Process::new().start_template().await.unwrap();
    stop(template.pid());
    template
}

/// Whether it took as long as the deadline, and not much longer.
fn check_duration(begin: Instant) {
    assert!((195..2000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

async fn the_deadline_of_a_start_is_kept_when_it_is_awaited() {
    let template = stopped().await;
    let begin = Instant::now();
    let starts = (template.fork().deadline(SHORT).start(code), template.fork().deadline(SHORT).start_template());
    let (worker, nested) = futures::join!(starts.0, starts.1);
    assert_eq!(worker.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::Deadline);
    check_duration(begin);
}

async fn the_deadline_of_a_program_is_kept_when_its_end_is_awaited() {
    let template = stopped().await;
    let begin = Instant::now();
    let mut command = template.command("true");
    command.deadline(SHORT);
    let (status, output, start) = (command.start_status(), command.start_output(), command.start());
    let (status, output, start) = futures::join!(status, output, start);
    assert_eq!(status.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(output.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Deadline);
    check_duration(begin);
}

async fn what_was_given_up_at_its_deadline_never_starts() {
    let template = stopped().await;
    let signs = [Scratch::new("worker"), Scratch::new("program"), Scratch::new("dropped"), Scratch::new("unpolled")];
    let worker = template.fork().deadline(SHORT).arg(&*signs[0]).start(leave_a_sign);
    let program = template.command("touch").arg(&*signs[1]).deadline(SHORT).start_status();
    let mut dropped = template.fork().arg(&*signs[2]).start(leave_a_sign);
    drop(template.fork().arg(&*signs[3]).start(leave_a_sign));
    assert!(poll_once(&mut dropped).await.is_pending());
    drop(dropped);
    assert!(worker.await.is_err() && program.await.is_err());
    signal(template.pid(), Signal::CONT);
    // What was ordered later has its turn later.
    let last = template.fork().arg(3).start(code).await.unwrap();
    assert_eq!(last.exited().await.unwrap().code(), Some(3));
    anyfork_tests::sleep(Duration::from_millis(50)).await;
    assert!(signs.iter().all(|sign| !Path::new(&**sign).exists()), "something started");
}

async fn a_deadline_that_is_past_fails_at_once() {
    let template = stopped().await;
    let begin = Instant::now();
    let error = template.fork().deadline(Duration::ZERO).start(code).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(begin.elapsed() < Duration::from_secs(1));
}
