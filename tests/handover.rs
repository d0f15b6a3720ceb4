//! A program that was not started by anyfork runs its own `main`, whatever it finds in its environment. One that is greeted does not.

#[allow(dead_code)]
#[path = "../conformance/wire/frames.rs"]
mod frames;

#[path = "handover/greeted.rs"]
mod greeted;

#[path = "handover/secure.rs"]
mod secure;

use anyfork::Process;
use anyfork_tests::{Host, answer, host};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::OsStr;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};

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
    runs_its_main("7".repeat(100_000), None);
}

/// Though numbers of this kind can be read.
#[test]
fn what_nobody_here_writes_is_ignored_where_there_is_a_greeting() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (fd, value) = inherited(&theirs);
    let greeting = greeted::hello(greeted::VERSION);
    assert!(frames::send(&ours, &greeting, &[]));
    let upper = value.to_uppercase();
    for value in [format!("+{value}"), format!("0{value}"), format!(" {value}"), format!("{value} "), upper] {
        runs_its_main(&value, Some(&fd));
    }
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
fn another_kind_of_socket_is_left_alone() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let path = anyfork_tests::Scratch::new("listener");
    let listener = UnixListener::bind(&*path).unwrap();
    let pair = |kind| socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    let (datagram, of_packets) = (pair(SocketType::DGRAM), pair(SocketType::SEQPACKET));
    // They hold a whole greeting each.
    for socket in [&datagram.0, &of_packets.0] {
        rustix::net::send(socket, &greeted::hello(greeted::VERSION), rustix::net::SendFlags::empty()).unwrap();
    }
    for socket in [tcp.as_fd(), stream.as_fd(), listener.as_fd(), datagram.1.as_fd(), of_packets.1.as_fd()] {
        let (fd, value) = inherited(socket);
        runs_its_main(value, Some(&fd));
    }
}

/// Tells what there is of the variable: in the environment of a program started from here, and where the kernel shows that of this process.
#[anyfork::entry]
fn variable(mut socket: UnixStream) -> std::io::Result<()> {
    let below = std::process::Command::new("env").output()?.stdout;
    let here = std::fs::read("/proc/self/environ")?;
    let shown = |all: &[u8], end: u8| {
        let mut all = all.split(|octet| *octet == end);
        let value = all.find_map(|one| one.strip_prefix(b"ANYFORK_HANDOVER="));
        value.map_or("none".into(), |value| String::from_utf8_lossy(value).replace('-', ""))
    };
    write!(socket, "{} {}", shown(&below, b'\n'), shown(&here, b'\0'))
}

#[test]
fn what_comes_from_a_process_that_was_greeted_does_not_find_the_variable() {
    for process in [Process::new(), Process::exec()] {
        let worker = process.blocking_socket(true).run(variable).unwrap();
        // Its place is there, and was written over.
        assert_eq!(answer(&worker), "none ");
    }
}

#[test]
fn an_ordinary_start_runs_its_main() {
    let mut host = host!("handover");
    assert_eq!(host.fact("main"), "ran");
    host.finish();
}
