//! Processes that do what they can to disturb the program that started them: they waste themselves alone.

#[path = "hostile/descriptors.rs"]
mod descriptors;

#[path = "hostile/floods.rs"]
mod floods;

#[path = "hostile/forged.rs"]
mod forged;

#[allow(dead_code, reason = "it has what tests of the wire need, too")]
#[path = "../conformance/wire/frames.rs"]
mod frames;

#[path = "hostile/sockets.rs"]
mod sockets;

use anyfork_tests::{LONG, Scratch, within};
use frames::{EXITED, FAILED, READY, STARTED, frame};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// A copy of the socket of a process that is being prepared: what its code is not given, it finds.
fn own_socket() -> OwnedFd {
    let is_socket = |number: &RawFd| {
        fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|file| file.to_string_lossy().starts_with("socket:"))
    };
    let number = (3..100).find(is_socket).expect("a process that is prepared has a socket");
    // SAFETY: it is open, and stays so: it is the process's own.
    unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned().unwrap()
}

/// Sends octets, and descriptors with the first of them. Says whether they were taken.
fn send(to: impl AsFd, octets: &[u8], descriptors: &[BorrowedFd<'_>]) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    rustix::net::sendmsg(to, &[IoSlice::new(octets)], &mut control, SendFlags::NOSIGNAL).is_ok()
}

/// Where a process says its number, when it has done what it was to do.
struct Sign(Scratch);

impl Sign {
    fn new() -> Self {
        Sign(Scratch::new("sign"))
    }

    fn path(&self) -> &str {
        &self.0
    }

    /// In the process.
    fn give(path: &str) {
        let number = std::process::id().to_string();
        fs::write(format!("{path}.new"), number).and_then(|()| fs::rename(format!("{path}.new"), path)).unwrap();
    }

    /// The number, when it is there.
    fn wait(&self) -> u32 {
        let path = self.path();
        within(LONG, "a sign", || fs::read_to_string(path).ok()?.parse().ok())
    }

    /// The same, of a second sign.
    fn wait_for(&self, what: &str) -> u32 {
        let path = format!("{}.{what}", self.path());
        within(LONG, "a second sign", || fs::read_to_string(&path).ok()?.parse().ok())
    }
}

#[anyfork::entry]
fn nothing() {}

/// Other processes can be started as before.
fn others_work() {
    assert!(anyfork::Process::new().run(nothing).unwrap().wait().unwrap().success());
}
