//! Programs without shared libraries: what their processes consist of, and what they cannot have. Most other tests pass for them as well.
#![cfg(target_feature = "crt-static")]

use anyfork::{Command, ErrorKind, Process, entry};
use anyfork_tests::answer;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// The shared libraries that this process has mapped.
#[entry]
fn libraries(mut socket: UnixStream) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let found: Vec<&str> = maps.lines().filter(|line| line.contains(".so")).collect();
    write!(socket, "{}", found.join("\n")).unwrap();
}

#[test]
fn no_process_has_shared_libraries() {
    for process in [Process::new(), Process::exec()] {
        assert_eq!(answer(&process.blocking_socket(true).run(libraries).unwrap()), "");
    }
}

#[test]
fn a_panic_is_caught_without_a_shared_unwinder() {
    #[entry]
    fn panics() {
        panic!("on purpose");
    }
    assert_eq!(Process::new().run(panics).unwrap().wait().unwrap().code(), Some(101));
}

#[test]
fn external_programs_are_started() {
    assert_eq!(Command::new("echo").arg("there").output().unwrap().stdout, b"there\n");
}

#[test]
fn a_module_is_refused_with_the_reason() {
    let error = Process::new().load("/lib/x86_64-linux-gnu/libc.so.6").template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load, "{error}");
    assert!(error.to_string().contains("this program is linked statically"), "{error}");
}
