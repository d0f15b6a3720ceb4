//! The worker's socket: who sees the end of it, and how it is set up at both ends.

use anyfork::Worker;
use anyfork_conformance::{Subject, end, park, release, run, text, written};
use anyfork_tests::{LONG, Scratch, descriptors, within};
use rustix::fs::OFlags;
use rustix::io::FdFlags;
use std::io::Write;
use std::net::Shutdown;

pub(crate) fn a_worker_reads_end_of_file_when_its_handle_is_dropped<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let witness = Scratch::new("eof");
        let worker = process.arg(&*witness).blocking_socket(true).run(S::name("wait_for_eof")).unwrap();
        worker.socket().write_all(b"last words").unwrap();
        drop(worker);
        let text = within(LONG, "the worker reads end-of-file", || std::fs::read_to_string(&*witness).ok());
        assert_eq!(text, "eof last words");
    }
}

pub(crate) fn a_worker_reads_end_of_file_and_can_still_answer<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let worker = run::<S>(process, "shout");
        worker.socket().write_all(b"hello").unwrap();
        worker.socket().shutdown(Shutdown::Write).unwrap();
        assert_eq!(text(&worker), "HELLO");
        end::<S>(&worker);
    }
}

pub(crate) fn the_program_reads_end_of_file_when_the_worker_ends<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let worker = run::<S>(process.arg(9), "exit_with");
        assert_eq!(written(worker.socket()), b"");
    }
    let worker = run::<S>(template.fork().arg(libc::SIGKILL), "kill_self");
    assert_eq!(written(worker.socket()), b"");
}

fn flags(worker: &Worker) -> (bool, bool) {
    let is_nonblocking = rustix::fs::fcntl_getfl(worker.socket()).unwrap().contains(OFlags::NONBLOCK);
    (is_nonblocking, rustix::io::fcntl_getfd(worker.socket()).unwrap().contains(FdFlags::CLOEXEC))
}

/// Of the worker's descriptor with that identity: whether it is non-blocking, whether close-on-exec.
fn flags_in_worker(pid: u32, identity: &str) -> (bool, bool) {
    let (number, _) = descriptors(pid).into_iter().find(|(_, open)| open == identity).expect("its socket is open");
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    let flags = i32::from_str_radix(flags, 8).unwrap();
    (flags & libc::O_NONBLOCK != 0, flags & libc::O_CLOEXEC != 0)
}

pub(crate) fn the_socket_is_nonblocking_here_blocking_there_and_closed_on_exec<S: Subject>() {
    let template = S::template();
    for make in [|_: &_| S::process(), anyfork::Template::fork] {
        let (worker, identity) = park::<S>(make(&template));
        assert_eq!(flags(&worker), (false, true), "it was asked to be blocking");
        assert_eq!(flags_in_worker(worker.pid(), &identity), (false, true));
        release(&worker, 0);
        end::<S>(&worker);
        let witness = Scratch::new("flags");
        let worker = make(&template).arg(&*witness).run(S::name("wait_for_eof")).unwrap();
        assert_eq!(flags(&worker), (true, true));
        worker.socket().shutdown(Shutdown::Write).unwrap();
        end::<S>(&worker);
    }
}
