//! A program that was not started by anyfork runs its own `main`, whatever it finds in its environment.

use anyfork_tests::{Host, host};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

fn runs_its_main(value: impl AsRef<OsStr>, descriptor: Option<&OwnedFd>) {
    let number = descriptor.map(|fd| fd.as_raw_fd().to_string());
    let arguments: Vec<&str> = ["handover"].into_iter().chain(number.as_deref()).collect();
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &arguments);
    command.env("ANYFORK_HANDOVER", value.as_ref());
    let mut host = Host::start(command);
    assert_eq!(host.fact("main"), "ran");
    assert_eq!(host.fact("variable"), "gone");
    if descriptor.is_some() {
        assert_eq!(host.fact("descriptor"), "open");
    }
    assert_eq!(host.fact("works"), "true");
    host.finish();
}

/// A copy that survives an exec, and the value that names it.
fn inherited(fd: impl AsFd) -> (OwnedFd, String) {
    let fd = fcntl_dupfd_cloexec(fd, 50).unwrap();
    fcntl_setfd(&fd, FdFlags::empty()).unwrap();
    let value = format!("{}:{NONCE}", fd.as_raw_fd());
    (fd, value)
}

#[test]
fn garbage_in_the_variable_is_ignored() {
    for value in ["", "garbage", ":", "7", "-1:00", "99999999999999999999:00", &format!("9:{}", "é".repeat(16))] {
        runs_its_main(value, None);
    }
    runs_its_main(OsStr::from_bytes(b"7:\xff\xfe"), None);
}

#[test]
fn a_closed_or_standard_descriptor_is_ignored() {
    for number in [0, 1, 2, 999, i32::MAX] {
        runs_its_main(format!("{number}:{NONCE}"), None);
    }
}

#[test]
fn a_pipe_is_left_alone() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let (fd, value) = inherited(&reader);
    runs_its_main(value, Some(&fd));
}

#[test]
fn a_socket_without_a_greeting_is_left_alone() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (fd, value) = inherited(&theirs);
    runs_its_main(&value, Some(&fd));
    (&ours).write_all(b"what is this? certainly no greeting, but long enough to be one").unwrap();
    runs_its_main(&value, Some(&fd));
    drop(ours);
    runs_its_main(&value, Some(&fd));
}

#[test]
fn an_ordinary_start_runs_its_main() {
    let mut host = host!("handover");
    assert_eq!(host.fact("main"), "ran");
    host.finish();
}
