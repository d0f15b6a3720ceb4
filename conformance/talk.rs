//! How tests talk to the functions.

use crate::Subject;
use anyfork::{ErrorKind, ExitStatus, Process, Worker};
use anyfork_tests::LONG;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// An input, as the function `report` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// An argument.
    Octets(Vec<u8>),
    /// A descriptor: what file it is, as [`anyfork_tests::identity`] says it.
    File(String),
}

/// Runs a function whose socket a test reads.
pub fn run<S: Subject>(process: Process<S::Server>, function: &str) -> Worker {
    let worker = process.blocking_socket(true).run(S::name(function)).unwrap();
    worker.socket().set_read_timeout(Some(LONG)).unwrap();
    worker
}

/// All that a worker writes.
pub fn written(mut socket: &UnixStream) -> Vec<u8> {
    let mut octets = Vec::new();
    socket.read_to_end(&mut octets).unwrap();
    octets
}

/// The same, of one that writes text.
pub fn text(worker: &Worker) -> String {
    String::from_utf8(written(worker.socket())).unwrap()
}

/// The inputs that a process gives to its function.
pub fn inputs<S: Subject>(process: Process<S::Server>) -> Vec<Seen> {
    let worker = run::<S>(process, "report");
    let seen = seen(&written(worker.socket()));
    assert!(has_ended::<S>(&worker, Some(0), None));
    seen
}

/// What `report` has written.
pub fn seen(mut octets: &[u8]) -> Vec<Seen> {
    let mut inputs = Vec::new();
    while let Some((head, rest)) = octets.split_first_chunk::<5>() {
        let (kind, length) = (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]));
        let (input, rest) = rest.split_at(length as usize);
        inputs.push(match kind {
            b'a' => Seen::Octets(input.to_vec()),
            b'f' => Seen::File(String::from_utf8(input.to_vec()).unwrap()),
            _ => panic!("an input that is neither an argument nor a descriptor"),
        });
        octets = rest;
    }
    assert_eq!(octets, b"", "half an input");
    inputs
}

/// A worker that stays, and what file its socket is.
pub fn park<S: Subject>(process: Process<S::Server>) -> (Worker, String) {
    let worker = run::<S>(process, "park");
    let mut identity = String::new();
    // Not more than the line, which is all that comes.
    while !identity.ends_with('\n') {
        let mut octet = [0];
        worker.socket().read_exact(&mut octet).unwrap();
        identity.push(octet[0].into());
    }
    (worker, identity.trim_end().to_owned())
}

/// Lets such a worker end with this code.
pub fn release(worker: &Worker, code: u8) {
    worker.socket().write_all(&[code]).unwrap();
}

/// How a worker ended. `None`: nobody can know, as [`Subject::tells_statuses`] says.
pub fn end<S: Subject>(worker: &Worker) -> Option<ExitStatus> {
    match worker.wait_timeout(LONG) {
        Ok(Some(status)) => Some(status),
        Ok(None) => panic!("it has not ended within {LONG:?}"),
        Err(error) if error.kind() == ErrorKind::Lost && !S::tells_statuses() => None,
        Err(error) => panic!("{error}"),
    }
}

/// Whether a worker of a template ended so, as far as anybody can know.
pub fn has_ended<S: Subject>(worker: &Worker, code: Option<i32>, signal: Option<i32>) -> bool {
    let status = end::<S>(worker);
    status.is_none_or(|status| (status.code(), status.signal()) == (code, signal))
}

/// Octets that do not repeat in step with any buffer.
pub fn octets(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
