//! Statuses that come under difficulties: thousands at once while nobody listens, behind the end of the socket, and of a process that a debugger holds.

use super::stay;
use anyfork::{Process, Worker};
use anyfork_tests::{LONG, children, host, lives, signal, skipped, status, stop, within};
use rustix::process::{Resource, Signal, getrlimit};
use std::io::{PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Kilobytes of memory that a process has to itself and the others.
fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS").split_whitespace().next().unwrap().parse().unwrap()
}

/// More than any pipe or signal queue holds, while the template cannot wait for any of them; then it can, and the program does not listen.
#[test]
fn nine_thousand_exits_at_once_are_all_told_to_a_program_that_listens_late() {
    const COUNT: usize = 9000;
    if getrlimit(Resource::Nofile).maximum.is_some_and(|most| most < COUNT as u64 + 200) {
        return skipped("it takes a descriptor for each of 9,000 ends");
    }
    let mut host = host!("exits", &COUNT.to_string());
    host.fact_within(Duration::from_secs(60), "stop-it");
    let template = host.number("template");
    let workers = children(template);
    assert_eq!(workers.len(), COUNT);
    let before = resident(template);
    stop(template);
    host.go();
    host.fact("asleep");
    within(LONG, "all have ended", || (!workers.iter().any(|pid| lives(*pid))).then_some(()));
    assert_eq!(children(template).len(), COUNT, "nobody should have waited for them yet");
    signal(template, Signal::CONT);
    within(LONG, "no zombies are left", || children(template).is_empty().then_some(()));
    let kept = resident(template).saturating_sub(before);
    assert!(kept < 4096, "the template keeps {kept} kB of reports");
    host.go();
    assert_eq!(host.number("right"), COUNT as u32);
    assert_eq!(host.fact("another"), "true");
    host.finish();
}

/// Closes its socket, and stays until nobody has the other end of the pipe.
#[anyfork::entry]
fn close_first(socket: UnixStream, mut pipe: PipeReader, code: u8) -> ExitCode {
    drop(socket);
    let _ = pipe.read(&mut [0]);
    code.into()
}

#[test]
fn a_status_that_comes_long_after_the_end_of_the_socket_is_told() {
    let template = Process::new().template().unwrap();
    for process in [Process::new(), Process::exec(), template.fork()] {
        let (ends, lives_on) = std::io::pipe().unwrap();
        let worker = process.fd(&ends).arg(7).blocking_socket(true).run(close_first).unwrap();
        let mut exited = worker.exited();
        assert_eq!(worker.socket().read(&mut [0]).unwrap(), 0);
        assert_eq!(worker.wait_timeout(Duration::from_millis(20)).unwrap(), None);
        assert_eq!(exited.try_finish().unwrap(), None);
        drop(lives_on);
        assert_eq!(worker.wait().unwrap().code(), Some(7));
        assert_eq!(exited.wait().unwrap().code(), Some(7));
    }
}

fn release(worker: &Worker, code: u8) {
    worker.socket().write_all(&[code]).unwrap();
}

/// Its pidfd is readable, and yet its parent is not told: that comes when the debugger has waited for it.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "it is about pidfds")]
fn a_traced_worker_that_has_ended_is_not_told_of_before_its_tracer_lets_go() {
    let template = Process::new().template().unwrap();
    let worker = template.fork().blocking_socket(true).run(stay).unwrap();
    let pid = worker.pid() as libc::pid_t;
    // SAFETY: numbers, and null where nothing is asked for.
    assert_eq!(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) }, 0);
    release(&worker, 7);
    within(LONG, "it has ended", || (!lives(worker.pid())).then_some(()));
    let mut exited = worker.exited();
    assert_eq!(worker.try_wait().unwrap(), None);
    assert_eq!(exited.try_finish().unwrap(), None);
    assert_eq!(worker.wait_timeout(Duration::from_millis(50)).unwrap(), None);
    anyfork_tests::Where::TokioCurrentThread.run(async {
        assert!(anyfork_tests::timeout(Duration::from_millis(50), worker.exited()).await.is_none());
    });
    // Meanwhile the template serves the others.
    assert!(template.fork().run(super::nothing).unwrap().wait().unwrap().success());
    // SAFETY: no status is asked for.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) }, pid);
    assert_eq!(worker.wait().unwrap().code(), Some(7));
    assert_eq!(exited.try_finish().unwrap().unwrap().code(), Some(7));
}
