//! External programs that run to their ends.

use anyfork::{Command, ErrorKind, Stdio};
use anyfork_tests::{in_runtimes, lives, poll_for_nobody, poll_once, wait_until};
use futures::future::join_all;
use std::time::Duration;

in_runtimes! { all:
    a_status_can_be_awaited;
    an_output_of_more_than_the_pipes_hold_can_be_awaited;
    the_output_of_a_child_can_be_awaited;
    many_outputs_are_awaited_at_once_and_told_apart;
    an_end_that_was_told_is_not_told_again;
    a_program_that_closes_its_pipes_is_waited_for_all_the_same;
    a_program_that_is_killed_tells_its_signal;
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn a_status_can_be_awaited() {
    assert_eq!(shell("exit 7").start_status().await.unwrap().code(), Some(7));
    // Nobody could write to it: it must not wait.
    assert_eq!(shell("cat; exit 8").stdin(Stdio::piped()).start_status().await.unwrap().code(), Some(8));
}

async fn an_output_of_more_than_the_pipes_hold_can_be_awaited() {
    let script = "head -c 1500000 /dev/zero & head -c 1200000 /dev/zero | tr '\\0' e >&2; wait; exit 3";
    let output = shell(script).start_output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout == vec![0; 1_500_000], "{} on standard output", output.stdout.len());
    assert!(output.stderr == vec![b'e'; 1_200_000], "{} on standard error", output.stderr.len());
}

async fn the_output_of_a_child_can_be_awaited() {
    let mut command = shell("cat; echo bye >&2");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.start().await.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"hello").unwrap();
    drop(stdin);
    let output = child.into_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!((&*output.stdout, &*output.stderr), (&b"hello"[..], &b"bye\n"[..]));
    // Nothing is piped, so nothing is read.
    let output = shell("exit 4").stdin(Stdio::null()).start().await.unwrap().into_output().await.unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0));
}

async fn many_outputs_are_awaited_at_once_and_told_apart() {
    let one = |n: i32| async move {
        let output = shell(&format!("sleep 0.0{}; echo {n}; exit {n}", n % 5)).start_output().await.unwrap();
        output.status.code() == Some(n) && output.stdout == format!("{n}\n").into_bytes()
    };
    let right = join_all((0..40).map(one)).await;
    assert!(right.iter().all(|right| *right), "{right:?}");
}

async fn an_end_that_was_told_is_not_told_again() {
    let mut ending = shell("exit 1").start_status();
    assert_eq!((&mut ending).await.unwrap().code(), Some(1));
    assert_eq!(ending.await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut starting = Command::new("true").start();
    assert!((&mut starting).await.is_ok());
    assert_eq!(starting.await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn a_program_that_closes_its_pipes_is_waited_for_all_the_same() {
    let mut ending = shell("exec >&- 2>&-; sleep 0.3; exit 5").start_output();
    assert!(anyfork_tests::timeout(Duration::from_millis(100), &mut ending).await.is_none());
    assert_eq!(ending.await.unwrap().status.code(), Some(5));
}

async fn a_program_that_is_killed_tells_its_signal() {
    let child = shell("exec sleep 60").start().await.unwrap();
    let mut exited = child.exited();
    assert!(poll_once(&mut exited).await.is_pending());
    child.kill().unwrap();
    assert_eq!(exited.await.unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn the_end_of_a_program_that_is_dropped_kills_it() {
    for piped in [false, true] {
        let mut command = shell("echo started; exec sleep 60");
        command.stdout(if piped { Stdio::piped() } else { Stdio::null() });
        let child = command.spawn().unwrap();
        let pid = child.id();
        let mut ending = child.into_output();
        assert!(poll_for_nobody(&mut ending).is_pending());
        assert!(lives(pid));
        drop(ending);
        assert!(wait_until(Duration::from_secs(5), || !lives(pid)), "it goes on, piped: {piped}");
    }
}
