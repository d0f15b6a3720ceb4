//! Values that outlive the runtime in which they were polled first, and runtimes whose clock is not the system's.

use super::starts::{code, nap};
use anyfork::{Command, Process, Starting, Worker};
use anyfork_tests::{Where, poll_once, timeout};
use std::time::{Duration, Instant};

fn slow_start() -> Starting<Worker> {
    Process::new().call(nap, [150]).arg(5).start(code)
}

/// Polls in one runtime, which ends, and awaits in another.
fn across(mut check: impl FnMut(Where, Where)) {
    for (_, first) in Where::ALL {
        for (_, second) in Where::ALL {
            check(first, second);
        }
    }
}

#[test]
fn a_start_goes_on_in_another_runtime() {
    across(|first, second| {
        let mut starting = slow_start();
        assert!(first.run(poll_once(&mut starting)).is_pending());
        assert_eq!(second.run(starting).unwrap().wait().unwrap().code(), Some(5), "{first:?} to {second:?}");
    });
}

#[test]
fn an_end_goes_on_in_another_runtime() {
    across(|first, second| {
        let worker = Process::new().arg(100).run(nap).unwrap();
        let mut exited = worker.exited();
        assert!(first.run(poll_once(&mut exited)).is_pending());
        assert!(second.run(exited).unwrap().success(), "{first:?} to {second:?}");
    });
}

#[test]
fn a_program_goes_on_in_another_runtime() {
    across(|first, second| {
        let mut ending = Command::new("sh").args(["-c", "echo a; sleep 0.1; echo b"]).start_output();
        assert!(first.run(timeout(Duration::from_millis(30), &mut ending)).is_none());
        assert_eq!(second.run(ending).unwrap().stdout, b"a\nb\n", "{first:?} to {second:?}");
    });
}

#[test]
fn a_deadline_is_kept_in_another_runtime() {
    across(|first, second| {
        let begin = Instant::now();
        let mut starting = Process::new().call(nap, [60_000]).deadline(Duration::from_millis(150)).start(code);
        assert!(first.run(poll_once(&mut starting)).is_pending());
        let error = second.run(starting).unwrap_err();
        assert_eq!(error.kind(), anyfork::ErrorKind::Deadline, "{first:?} to {second:?}");
        assert!((145..2000).contains(&begin.elapsed().as_millis()), "{first:?} to {second:?}: {:?}", begin.elapsed());
    });
}

#[test]
fn what_was_polled_in_a_runtime_can_be_waited_for_without_one() {
    for (_, first) in Where::ALL {
        let mut starting = slow_start();
        assert!(first.run(poll_once(&mut starting)).is_pending());
        assert_eq!(starting.wait().unwrap().wait().unwrap().code(), Some(5), "{first:?}");
    }
}

#[test]
fn a_task_of_one_thread_is_woken_in_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tasks: Vec<_> = (0..20).map(|_| runtime.spawn(async { slow_start().await?.exited().await })).collect();
    runtime.block_on(async {
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().code(), Some(5));
        }
    });
}

/// Its clock stands still while something is to do, and jumps to the next timer when there is not.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_fails_no_start() {
    let begin = tokio::time::Instant::now();
    let worker = slow_start().await.unwrap();
    assert_eq!(worker.exited().await.unwrap().code(), Some(5));
    let output = Command::new("sh").args(["-c", "sleep 0.1; echo x"]).start_output().await.unwrap();
    assert_eq!(output.stdout, b"x\n");
    assert!(begin.elapsed() >= Duration::from_secs(20), "the clock did not jump: {:?}", begin.elapsed());
}
