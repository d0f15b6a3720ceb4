//! What times can be compared with: a thread that is created and joined, a byte to a process that runs already and back, and nobody at all.

use super::others;
use super::own;
use super::pace::{latencies, rate};
use crate::wire::{Reply, Request};
use std::ffi::c_void;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::ptr::{null, null_mut};

pub(super) fn threads(request: &Request) -> Reply {
    match request.case.as_str() {
        "run" => rate(request, |in_flight| {
            let threads: Vec<_> = (0..in_flight).map(|_| create()).collect();
            threads.into_iter().for_each(join);
        }),
        "first-byte" | "first-byte-spare" | "first-byte-spare/closed" => latencies(request, || {
            join(create());
            || {}
        }),
        _ => Reply::Absent,
    }
}

extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
    null_mut()
}

fn create() -> libc::pthread_t {
    // SAFETY: any bits are a valid identifier of a thread until the call has set it.
    let mut thread = unsafe { std::mem::zeroed() };
    // SAFETY: the identifier lives until the call returns, and the function takes nothing from its argument.
    assert_eq!(unsafe { libc::pthread_create(&mut thread, null(), nothing, null_mut()) }, 0);
    thread
}

fn join(thread: libc::pthread_t) {
    // SAFETY: each thread is joined once, by who has created it.
    assert_eq!(unsafe { libc::pthread_join(thread, null_mut()) }, 0);
}

pub(super) fn round_trips(request: &Request) -> Reply {
    let once = |socket: &mut UnixStream| {
        socket.write_all(b"1").expect("it takes a byte");
        socket.read_exact(&mut [0]).expect("a byte");
    };
    match request.case.as_str() {
        "run" if request.in_flight == 1 => with_echo(|socket| rate(request, |_| once(socket))),
        "first-byte" | "first-byte-spare" | "first-byte-spare/closed" => with_echo(|socket| {
            latencies(request, || {
                once(socket);
                || {}
            })
        }),
        _ => Reply::Absent,
    }
}

/// A process that sends back what it gets, until end-of-file.
fn with_echo(measure: impl FnOnce(&mut UnixStream) -> Reply) -> Reply {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut echo = own::command("echo").stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn().expect("it starts");
    let reply = measure(&mut ours);
    drop(ours);
    echo.wait().expect("its end");
    reply
}

/// Nobody starts anything.
pub(super) fn idle(request: &Request) -> Reply {
    match request.case.split('/').next() {
        Some("others-blocked") => others::blocked(request, || {}),
        _ => Reply::Absent,
    }
}
