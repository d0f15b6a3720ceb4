//! Memory that runs out: the kernel kills somebody in a control group, or a fork fails for want of it.

use super::commands::Cgroup;
use super::{nothing, stay};
use anyfork::{Error, ErrorKind, NO_ARGS, Process, Template, Worker};
use anyfork_tests::{
    LONG, SOON, all_end_soon, children, descriptors, lives, needs_kept_statuses, open_files, wait_until,
};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

const MOST: u64 = 32 << 20;

/// Takes so many megabytes once it is told to, says so, and stays until it is told an exit code.
#[anyfork::entry]
fn eat(mut socket: UnixStream, megabytes: usize) -> std::io::Result<ExitCode> {
    let mut code = [0];
    socket.read_exact(&mut code)?;
    let eaten: Vec<Vec<u8>> = (0..megabytes).map(|_| vec![1; 1 << 20]).collect();
    socket.write_all(b"!")?;
    socket.read_exact(&mut code)?;
    drop(std::hint::black_box(eaten));
    Ok(code[0].into())
}

/// Will have eaten more than there is.
const TOO_MUCH: u64 = 2 * (MOST >> 20);

fn eater(template: &Template, group: &Cgroup, megabytes: u64) -> Worker {
    let eater = template.fork().arg(megabytes).blocking_socket(true).run(eat).unwrap();
    group.add(eater.pid());
    eater
}

fn release(worker: &Worker, code: u8) {
    worker.socket().write_all(&[code]).unwrap();
}

fn is_killed(eater: &Worker) {
    release(eater, 0);
    let status = eater.wait_timeout(LONG).unwrap().expect("the kernel kills it");
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

#[test]
fn a_worker_that_the_kernel_kills_for_memory_was_killed_by_signal_9() {
    let Some(group) = Cgroup::of_memory(MOST) else { return };
    let template = Process::new().template().unwrap();
    let free = template.fork().run(stay).unwrap();
    is_killed(&eater(&template, &group, TOO_MUCH));
    assert!(template.fork().run(nothing).unwrap().wait().unwrap().success());
    release(&free, 5);
    assert_eq!(free.wait().unwrap().code(), Some(5));
    assert!(wait_until(SOON, || children(template.pid()).is_empty()));
}

/// The kernel is told to choose it first; then it is the turn of the one that eats.
#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "without the kernel's record it depends on who adopts them how workers of killed templates ended"
)]
fn a_template_that_the_kernel_kills_for_memory_is_a_killed_one() {
    if !needs_kept_statuses() {
        return;
    }
    let Some(group) = Cgroup::of_memory(MOST) else { return };
    let template = Process::new().template().unwrap();
    // With these two it never has the most memory itself.
    let (free, greedy) = (eater(&template, &group, 8), eater(&template, &group, TOO_MUCH));
    release(&free, 0);
    free.socket().read_exact(&mut [0]).unwrap();
    group.add(template.pid());
    fs::write(format!("/proc/{}/oom_score_adj", template.pid()), "1000").unwrap();
    is_killed(&greedy);
    all_end_soon(&[template.pid()]);
    let error = template.fork().run(nothing).map(|worker| worker.pid()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateGone, "{error}");
    assert!(lives(free.pid()));
    release(&free, 5);
    assert_eq!(free.wait().unwrap().code(), Some(5));
    assert!(Process::new().run(nothing).unwrap().wait().unwrap().success());
}

/// What is forked from now on is in a new namespace of process numbers; when its number 1 has ended, no fork has room there.
#[anyfork::entry]
fn fork_elsewhere() -> std::io::Result<()> {
    // SAFETY: a number.
    match unsafe { libc::unshare(libc::CLONE_NEWPID) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn is_out_of_memory(error: &Error) {
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(libc::ENOMEM)), "{error}");
    assert!(error.to_string().contains("fork in the template"), "{error}");
}

#[test]
#[cfg_attr(
    anyfork_no_pidfd,
    ignore = "without pidfds the processes of another namespace are not known by their numbers"
)]
fn a_fork_that_fails_for_want_of_memory_is_one_failed_request() {
    if !super::root() {
        return;
    }
    let template = Process::new().call(fork_elsewhere, NO_ARGS).template().unwrap();
    let first = template.fork().run(stay).unwrap();
    assert!(template.fork().run(nothing).unwrap().wait().unwrap().success());
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(libc::SIGKILL));
    let null = fs::File::open("/dev/null").unwrap();
    let before = descriptors(template.pid());
    for _ in 0..3 {
        is_out_of_memory(&template.fork().fd(&null).run(stay).map(|worker| worker.pid()).unwrap_err());
        is_out_of_memory(&template.fork().call(nothing, NO_ARGS).template().map(|below| below.pid()).unwrap_err());
        is_out_of_memory(&template.command("true").status().unwrap_err());
    }
    assert!(wait_until(LONG, || descriptors(template.pid()) == before), "{:?}", open_files(template.pid()));
    assert_eq!(children(template.pid()), [0; 0]);
    assert!(lives(template.pid()));
}
