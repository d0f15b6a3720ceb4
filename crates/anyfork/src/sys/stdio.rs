//! Descriptors 0, 1 and 2, which a program may have closed: whatever is opened next would get their numbers and the program's output.
//!
//! # Safety
//! fcntl(2) and open(2) with numbers and a constant string.
#![allow(unsafe_code)]

use rustix::fs::{Mode, OFlags};
use rustix::path::Arg;
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What they are called, by their numbers.
pub(crate) const NAMES: [&str; 3] = ["stdin", "stdout", "stderr"];

/// The descriptor under a number above 2, if there is one left.
pub(crate) fn above_stdio(fd: OwnedFd) -> OwnedFd {
    if fd.as_raw_fd() > 2 { fd } else { duplicate(&fd).unwrap_or(fd) }
}

/// A duplicate under a number above 2, close-on-exec.
pub(crate) fn duplicate(fd: impl AsFd) -> rustix::io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

/// Opens something that is there, close-on-exec, under a number above 2.
pub(crate) fn open(path: impl Arg, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map(above_stdio)
}

/// Whether there is something under this number.
pub(crate) fn is_open(number: c_int) -> bool {
    // SAFETY: fcntl looks at the number alone.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Puts `/dev/null` where standard input, output or error is closed: the next file opened would take its number.
pub(crate) fn fill_stdio() {
    for number in 0..=2 {
        if !is_open(number) {
            // SAFETY: a constant string; open(2) returns the lowest free number, which is this one.
            unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        }
    }
}
