//! Spares that are stopped or killed before they are taken, or between that and their start.

use super::*;
use anyfork_tests::{Scratch, signal, stop};
use rustix::process::Signal;
use std::time::Instant;

#[anyfork::entry]
fn leave_a_sign(path: String) -> std::io::Result<()> {
    std::fs::write(path, "entered")
}

#[anyfork::entry]
fn nothing() {}

/// With one that waits, and its number.
fn one() -> (Template, u32) {
    let template = with_spares(Process::new().template().unwrap(), 0..=1);
    let pid = children(template.pid())[0];
    (template, pid)
}

#[test]
fn a_start_that_gets_a_stopped_one_keeps_its_deadline_and_never_starts() {
    let (template, pid) = one();
    let witness = Scratch::new("stopped-spare");
    stop(pid);
    let begin = Instant::now();
    let process = template.fork().arg(&*witness).deadline(Duration::from_millis(200));
    assert_eq!(process.run(leave_a_sign).unwrap_err().kind(), ErrorKind::Deadline);
    assert!((200..1500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    signal(pid, Signal::CONT);
    until("it ends", || is_gone(pid));
    assert!(!std::fs::exists(&*witness).unwrap());
    assert!(end(&template.fork().run(nothing).unwrap()).success());
}

#[test]
fn one_that_goes_on_in_time_starts() {
    let (template, pid) = one();
    stop(pid);
    let mut starting = template.fork().start(nothing);
    std::thread::sleep(Duration::from_millis(50));
    assert!(starting.try_finish().unwrap().is_none());
    signal(pid, Signal::CONT);
    let worker = starting.wait().unwrap();
    assert_eq!(worker.pid(), pid);
    assert!(end(&worker).success());
}

#[test]
fn a_start_of_a_stopped_one_that_is_dropped_never_starts() {
    let (template, pid) = one();
    let witness = Scratch::new("dropped-spare");
    stop(pid);
    drop(template.fork().arg(&*witness).start(leave_a_sign));
    until("it is killed", || is_gone(pid));
    assert!(!std::fs::exists(&*witness).unwrap());
    assert!(end(&template.fork().run(nothing).unwrap()).success());
}

#[test]
fn one_that_dies_after_it_was_taken_fails_its_start_alone() {
    let (template, pid) = one();
    // It is taken by the first order.
    let process = template.fork().call(nothing, anyfork::NO_ARGS);
    signal(pid, Signal::KILL);
    until("it is gone", || is_gone(pid));
    assert_eq!(process.run(nothing).unwrap_err().kind(), ErrorKind::ProcessGone);
    let (template, pid) = (template, pid);
    let worker = template.fork().run(nothing).unwrap();
    assert_ne!(worker.pid(), pid);
    assert!(end(&worker).success());
}

/// At every moment around its being taken.
#[test]
fn whenever_one_is_killed_the_start_ends_and_the_next_works() {
    let template = template();
    let mut gone = 0;
    for round in 0..60 {
        template.spares(0..=1).unwrap();
        until("one waits", || {
            // After the last one was taken it takes a start to order more.
            template.spares(0..=1).unwrap();
            template.spares_waiting() == 1
        });
        let pid = children(template.pid()).into_iter().find(|pid| lives(*pid)).expect("one waits");
        let result = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_micros(round * 10));
                signal(pid, Signal::KILL);
            });
            template.fork().blocking_socket(true).run(echo)
        });
        match result {
            // Its own life may have been ended behind the start.
            Ok(worker) if worker.pid() == pid => {
                let status = worker.wait_timeout(Duration::from_secs(10)).unwrap().expect("it ends");
                assert!(status.success() || status.signal() == Some(9), "{status}");
            }
            Ok(worker) => {
                assert_eq!(said(&worker), "inherited");
                assert!(end(&worker).success());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ProcessGone, "{error}");
                gone += 1;
            }
        }
        let worker = template.fork().blocking_socket(true).run(echo).unwrap();
        assert_eq!(said(&worker), "inherited");
        assert!(end(&worker).success());
        until("all are gone", || children(template.pid()).len() <= 1);
    }
    eprintln!("{gone} of 60 starts failed");
}

#[test]
fn those_that_have_ended_do_not_count_as_waiting() {
    let template = with_spares(template(), 0..=4);
    let all = children(template.pid());
    all[..3].iter().for_each(|pid| signal(*pid, Signal::KILL));
    until("it is heard of", || template.spares_waiting() == 1);
    assert!(all[..3].iter().all(|pid| is_gone(*pid)));
    let worker = template.fork().run(echo).unwrap();
    assert_eq!(worker.pid(), all[3]);
}
