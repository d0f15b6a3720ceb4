//! Starts as values: polled, given up, under a deadline.

use super::{answer, readable};
use anyfork::{ErrorKind, Starting};
use anyfork_conformance::{Subject, has_ended, park, release, run, text};
use anyfork_tests::{LONG, SOON, Scratch, children, signal, stop, wait_until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

pub(crate) fn a_start_is_a_value_to_be_polled<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let mut starting = process.arg(42).start(S::name("exit_with"));
        let worker = answer(&mut starting, Starting::try_finish).unwrap();
        assert!(has_ended::<S>(&worker, Some(42), None));
        assert!(starting.try_finish().is_err(), "a second answer");
    }
    let below = answer(&mut template.fork().start_template(), Starting::try_finish).unwrap();
    assert_eq!(text(&run::<S>(below.fork(), "state")), "");
    let error = answer(&mut template.fork().start("nowhere"), Starting::try_finish);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::UnknownEntry);
}

pub(crate) fn dropped_starts_leave_no_process<S: Subject>() {
    let template = S::template();
    for delay in 0..50 {
        let starting = template.fork().start(S::name("park"));
        std::thread::sleep(Duration::from_micros(50 * delay));
        drop(starting);
    }
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
}

pub(crate) fn a_start_that_was_given_up_never_enters_its_function<S: Subject>() {
    let witness = Scratch::new("given-up");
    let template = S::template();
    stop(template.pid());
    let starts: Vec<_> = (0..5).map(|_| template.fork().arg(&*witness).start(S::name("touch"))).collect();
    drop(starts);
    signal(template.pid(), Signal::CONT);
    // By then it has followed all earlier orders.
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    assert!(!std::fs::exists(&*witness).unwrap(), "the function was entered after the start had been given up");
}

pub(crate) fn a_preparation_that_was_given_up_never_begins<S: Subject>() {
    let witness = Scratch::new("not-begun");
    let template = S::template();
    stop(template.pid());
    let prepared = template.fork().call(S::name("touch_in_preparation"), [&*witness]);
    drop(prepared.start(S::name("state")));
    drop(template.fork().call(S::name("touch_in_preparation"), [&*witness]));
    signal(template.pid(), Signal::CONT);
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    assert!(!std::fs::exists(&*witness).unwrap(), "it was prepared after the start had been given up");
}

pub(crate) fn a_deadline_is_kept_while_the_template_is_stopped<S: Subject>() {
    let witness = Scratch::new("deadline");
    let template = S::template();
    stop(template.pid());
    let begin = Instant::now();
    let process = template.fork().arg(&*witness).deadline(Duration::from_millis(100));
    let error = process.run(S::name("touch")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(100) && took < SOON, "{took:?}");
    let mut starting = template.fork().arg(&*witness).deadline(Duration::from_millis(100)).start(S::name("touch"));
    assert!(readable(&starting, SOON), "the deadline makes it readable");
    assert_eq!(starting.try_finish().unwrap_err().kind(), ErrorKind::Deadline);
    signal(template.pid(), Signal::CONT);
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    assert!(!std::fs::exists(&*witness).unwrap(), "the function was entered after the deadline");
}

pub(crate) fn an_immediate_deadline_starts_nothing<S: Subject>() {
    let template = S::template();
    stop(template.pid());
    let error = template.fork().deadline(Duration::ZERO).run(S::name("park")).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    signal(template.pid(), Signal::CONT);
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    let (worker, _) = park::<S>(template.fork().deadline(Duration::MAX));
    release(&worker, 1);
    assert!(has_ended::<S>(&worker, Some(1), None));
}
