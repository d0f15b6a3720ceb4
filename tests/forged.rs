//! What can be done to a program from the other end of its sockets: replies that are malformed, forged, repeated, or have no end. It gets a typed error within
//! its deadline, and keeps nothing of what was sent to it.

#[allow(dead_code)]
#[path = "../conformance/wire/frames.rs"]
mod frames;

#[path = "forged/processes.rs"]
mod processes;

#[path = "forged/templates.rs"]
mod templates;

use anyfork_tests::LONG;
use frames::{EXITED, LONGEST, frame, header, send};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Time for an answer that does not come.
const DEADLINE: Duration = Duration::from_millis(300);

/// Sends until nobody is there, but not for ever.
fn flood(to: &UnixStream, octets: &[u8]) {
    let until = Instant::now() + LONG;
    while Instant::now() < until && (&*to).write_all(octets).is_ok() {}
}

/// Reports of a template.
fn reports() -> Vec<u8> {
    frame(EXITED, 0, &[7; 56]).repeat(1024)
}

/// Sends octets of a frame that has no end for a long time, with as many descriptors as there may be.
fn flood_with_descriptors(to: &UnixStream, pipe: PipeWriter) {
    let mut octets = header(LONGEST, frames::FAILED, 0);
    octets.resize(16 * 1024, 0);
    let until = Instant::now() + LONG;
    // No more than a process may have open without a special privilege.
    let mut octets = octets.chunks(8).take(60).cycle();
    while Instant::now() < until && send(to, octets.next().unwrap(), &[pipe.as_fd(); 253]) {}
}

/// Nobody has a copy of its other end.
fn is_closed(mut pipe: PipeReader) {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(pipe.read(&mut [0]).unwrap()));
    assert_eq!(receiver.recv_timeout(LONG), Ok(0), "a descriptor was kept");
}
