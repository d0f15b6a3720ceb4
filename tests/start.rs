//! Starts that do not block: readiness, deadlines, giving up, many at once.

use anyfork::{ErrorKind, Process, Starting, Worker};
use anyfork_tests::{children, signal, stop, wait_until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[anyfork::entry]
fn code(code: u8) -> std::process::ExitCode {
    code.into()
}

#[anyfork::entry]
fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Whether a descriptor becomes readable within the time.
fn readable(fd: impl AsFd, within: Duration) -> bool {
    let mut polls = [PollFd::new(&fd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: i64::from(within.subsec_nanos()) };
    poll(&mut polls, Some(&timeout)).unwrap() == 1
}

fn finish(mut starting: Starting<Worker>) -> Worker {
    loop {
        if let Some(worker) = starting.try_finish().unwrap() {
            return worker;
        }
        assert!(readable(&starting, Duration::from_secs(10)));
    }
}

#[test]
fn a_start_is_readable_when_it_has_finished() {
    assert_eq!(finish(Process::new().arg(9).start(code)).wait().unwrap().code(), Some(9));
}

#[test]
fn a_start_that_cannot_begin_is_readable_too() {
    let mut starting = Process::new().name("\0").start(code);
    assert!(readable(&starting, Duration::ZERO));
    assert_eq!(starting.try_finish().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(starting.try_finish().is_err(), "a second answer");
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end is asked for each millisecond")]
fn an_end_is_readable_exactly_when_the_status_is_there() {
    let worker = Process::new().arg(200).run(sleep).unwrap();
    let mut exited = worker.exited();
    assert!(!readable(&exited, Duration::from_millis(20)));
    assert_eq!(exited.try_finish().unwrap(), None);
    assert!(readable(&exited, Duration::from_secs(10)));
    assert!(wait_until(Duration::from_secs(1), || exited.try_finish().unwrap().is_some()));
    assert!(exited.try_finish().unwrap().is_some(), "asked again");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn an_end_can_be_waited_for_after_its_worker_was_dropped() {
    let exited = Process::new().arg(3).run(code).unwrap().exited();
    assert_eq!(exited.wait().unwrap().code(), Some(3));
}

#[test]
fn a_hundred_ends_are_told_apart() {
    let workers: Vec<Worker> = (0..100).map(|n| Process::new().arg(n).run(code).unwrap()).collect();
    for (n, worker) in workers.iter().enumerate().rev() {
        assert_eq!(worker.wait().unwrap().code(), Some(n as i32));
    }
}

#[test]
fn the_deadline_ends_a_preparation_that_hangs() {
    let template = Process::new().template().unwrap();
    let start = Instant::now();
    let error = template.fork().call(sleep, [60_000]).deadline(Duration::from_millis(200)).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!((200..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(wait_until(Duration::from_secs(1), || children(template.pid()).is_empty()), "it still sleeps");
}

#[test]
fn a_deadline_can_be_immediate_or_never() {
    let template = Process::new().template().unwrap();
    stop(template.pid());
    let error = template.fork().deadline(Duration::ZERO).arg(1).run(code).map(|_| ());
    assert!(error.is_err_and(|error| error.kind() == ErrorKind::Deadline));
    signal(template.pid(), Signal::CONT);
    assert!(template.fork().deadline(Duration::MAX).arg(1).run(code).is_ok());
}

#[test]
fn a_start_that_is_dropped_leaves_no_process() {
    let template = Process::new().template().unwrap();
    for _ in 0..200 {
        drop(template.fork().arg(60_000).start(sleep));
    }
    assert!(wait_until(Duration::from_secs(10), || children(template.pid()).is_empty()));
    assert_eq!(template.fork().arg(4).run(code).unwrap().wait().unwrap().code(), Some(4));
}

#[test]
fn a_thousand_starts_at_once_all_succeed() {
    let template = Process::new().template().unwrap();
    let starting: Vec<_> = (0..1000).map(|n| template.fork().arg(n % 256).start(code)).collect();
    let workers: Vec<Worker> = starting.into_iter().map(finish).collect();
    for (n, worker) in workers.iter().enumerate() {
        assert_eq!(worker.wait().unwrap().code(), Some((n % 256) as i32));
    }
}

#[test]
fn the_last_of_many_queued_starts_can_be_waited_for_first() {
    let template = Process::new().template().unwrap();
    let mut starting: Vec<_> = (0..800).map(|n| template.fork().arg(n % 256).start(code)).collect();
    while let Some(last) = starting.pop() {
        last.wait().unwrap();
    }
}
