//! A worker that does with its socket what nobody expects.

use crate::*;
use anyfork::Process;
use anyfork_tests::{LONG, SOON, lives, signal, wait_until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Leaves a daemon behind, which has the socket, and tells its number.
#[anyfork::entry]
fn leave_a_daemon(mut socket: UnixStream) -> ExitCode {
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } == 0 {
        rustix::process::setsid().unwrap();
        // SAFETY: as above.
        if unsafe { libc::fork() } == 0 {
            let _ = socket.write_all(&std::process::id().to_le_bytes());
            std::thread::sleep(LONG);
        }
        std::process::exit(0);
    }
    5.into()
}

#[test]
fn the_status_of_a_worker_does_not_wait_for_the_end_of_its_socket() {
    let worker = Process::new().blocking_socket(true).run(leave_a_daemon).unwrap();
    let mut number = [0; 4];
    worker.socket().read_exact(&mut number).unwrap();
    let daemon = u32::from_le_bytes(number);
    assert_eq!(worker.wait_timeout(SOON).unwrap().and_then(|status| status.code()), Some(5));
    assert!(lives(daemon));
    drop(worker);
    others_work();
    signal(daemon, Signal::KILL);
    assert!(wait_until(SOON, || !lives(daemon)));
}

#[anyfork::entry]
fn close_everything() {
    // SAFETY: nothing in this process uses a descriptor any more.
    unsafe { libc::close_range(0, u32::MAX, 0) };
    std::thread::sleep(LONG);
}

#[test]
fn a_worker_that_closes_its_socket_goes_on_until_it_is_killed() {
    let worker = Process::new().blocking_socket(true).run(close_everything).unwrap();
    assert_eq!(worker.socket().read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(worker.wait_timeout(Duration::from_millis(50)).unwrap(), None);
    worker.kill().unwrap();
    assert_eq!(worker.wait_timeout(SOON).unwrap().and_then(|status| status.signal()), Some(9));
}
