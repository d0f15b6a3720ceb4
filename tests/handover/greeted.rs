//! A socket with a greeting, which is believed only if it is the one that was announced.

use super::{NONCE, inherited, runs_its_main};
use crate::frames::{self, ARGUMENT, HELLO, LONGEST, OTHER_IMAGE, failure, frame, header, reply, send};
use anyfork_tests::{Host, LONG, within};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;

/// The version of the protocol.
pub(super) const VERSION: u16 = 4;

/// What is greeted, as PROTOCOL.md has it. No image has this number but by chance.
fn payload(version: u16, nonce: [u8; 16], program: &[u8]) -> Vec<u8> {
    let owner = std::process::id().to_le_bytes();
    [&version.to_le_bytes()[..], &nonce, &[7; 8], &owner, &[0], program].concat()
}

fn nonce() -> [u8; 16] {
    std::array::from_fn(|at| u8::from_str_radix(&NONCE[2 * at..2 * at + 2], 16).unwrap())
}

pub(super) fn hello(version: u16) -> Vec<u8> {
    frame(HELLO, 0, &payload(version, nonce(), b"test"))
}

/// Our end of a socket on which this has come, and what is inherited of it.
pub(super) fn with(octets: &[u8]) -> (UnixStream, OwnedFd, String) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LONG)).unwrap();
    assert!(octets.is_empty() || send(&ours, octets, &[]));
    let (fd, value) = inherited(&theirs);
    (ours, fd, value)
}

#[test]
fn what_is_no_greeting_is_left_where_it_is() {
    let whole = hello(VERSION);
    let cut: Vec<Vec<u8>> = (0..whole.len()).step_by(5).map(|end| whole[..end].to_vec()).collect();
    let other = frame(HELLO, 0, &payload(VERSION, [9; 16], b"test"));
    let rest = [
        // The last octet of the nonce is another.
        frame(HELLO, 0, &payload(VERSION, nonce().map(|octet| if octet == 15 { 16 } else { octet }), b"")),
        [&other[..], &whole].concat(),
        [&frame(ARGUMENT, 0, b"x")[..], &whole].concat(),
        frame(ARGUMENT, 0, &payload(VERSION, nonce(), b"test")),
        frame(HELLO, 2, &payload(VERSION, nonce(), b"test")),
        frame(HELLO, 0, &payload(VERSION, nonce(), b"")[..30]),
        [header(LONGEST + 1, HELLO, 0), payload(VERSION, nonce(), b"test")].concat(),
        [header(u32::MAX, HELLO, 0), payload(VERSION, nonce(), b"test")].concat(),
        // Longer than any that anyfork sends.
        frame(HELLO, 0, &payload(VERSION, nonce(), &[b'x'; 2000])),
        b"GET / HTTP/1.1\r\nHost: 7:000102030405060708090a0b0c0d0e0f\r\n\r\n".to_vec(),
    ];
    for octets in cut.into_iter().chain(rest) {
        let (_ours, fd, value) = with(&octets);
        runs_its_main(value, Some(&fd));
        let mut left = vec![0; octets.len() + 1];
        let length = match octets.len() {
            0 => 0,
            _ => rustix::net::recv(&fd, &mut left[..], rustix::net::RecvFlags::DONTWAIT).unwrap().0,
        };
        assert!(left[..length] == octets, "it took something");
    }
}

/// A host that finds this greeting, and our end of the socket.
fn greeted(octets: &[u8]) -> (Host, UnixStream) {
    let (ours, fd, value) = with(octets);
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &["handover"]);
    command.env("ANYFORK_HANDOVER", value);
    let host = Host::start(command);
    drop(fd);
    (host, ours)
}

/// Its end, if it has not run its `main`.
fn ended(mut host: Host) -> ExitStatus {
    let status = within(LONG, "the end of the host", || host.try_wait());
    assert!(!host.told_anything(), "it ran its main");
    status
}

#[test]
fn another_version_or_image_is_believed_and_refused() {
    for version in [0, VERSION - 1, VERSION, VERSION + 1, u16::MAX] {
        let (host, ours) = greeted(&hello(version));
        assert_eq!(failure(&ours), OTHER_IMAGE, "{version}");
        assert_eq!(reply(&ours), None);
        assert_eq!(ended(host).code(), Some(1));
    }
}

#[test]
fn a_greeting_whose_descriptor_did_not_come_ends_the_process() {
    let (host, ours) = greeted(&frame(HELLO, 1, &payload(VERSION, nonce(), b"test")));
    assert_eq!(frames::reply(&ours), None);
    assert_eq!(ended(host).code(), Some(0));
}

/// The first takes the greeting; for the other there is none.
#[test]
fn one_greeting_is_for_one_process() {
    let (ours, fd, value) = with(&hello(VERSION));
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &["handover"]);
    command.env("ANYFORK_HANDOVER", &value);
    let first = Host::start(command);
    assert_eq!(failure(&ours), OTHER_IMAGE);
    assert_eq!(ended(first).code(), Some(1));
    runs_its_main(value, Some(&fd));
}
