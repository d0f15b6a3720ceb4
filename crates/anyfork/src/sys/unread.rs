//! What was sent through a Unix socket and has not been read.
//!
//! # Safety
//! One ioctl(2), which writes a number.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::AsFd;

/// Whether the other end has still to read something that was sent from this one, if the kernel says so (`SIOCOUTQ`, which is 0 only when nothing is left).
pub(crate) fn is_something_unread(socket: impl AsFd) -> rustix::io::Result<bool> {
    const OPCODE: rustix::ioctl::Opcode = libc::TIOCOUTQ as rustix::ioctl::Opcode;
    // SAFETY: the request writes one `int`, and does nothing else.
    let left = unsafe { rustix::ioctl::ioctl(socket, rustix::ioctl::Getter::<OPCODE, c_int>::new()) }?;
    Ok(left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::{self, Blocking};

    #[test]
    fn what_was_read_in_part_is_not_read() {
        let (ours, theirs) = socket::pair().unwrap();
        assert_eq!(is_something_unread(&ours), Ok(false));
        socket::send(&ours, b"ab", &[theirs.as_fd()], Blocking::No).unwrap();
        let mut octet = [0];
        for is_left in [true, false] {
            assert_eq!(is_something_unread(&ours), Ok(true));
            assert_eq!(rustix::io::read(&theirs, &mut octet), Ok(1));
            assert_eq!(is_something_unread(&ours), Ok(is_left));
        }
        assert_eq!(is_something_unread(&theirs), Ok(false));
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        assert!(is_something_unread(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
