//! close_range(2): closes whatever a process inherited by accident.
//!
//! # Safety
//! Closing a descriptor that a Rust object owns breaks that object. This is called only in processes that
//! have just been made for anyfork, in which no such object is used any more.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Closes every descriptor above 2 except those in `keep`.
pub(crate) fn all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<RawFd> = keep.iter().map(|fd| fd.as_raw_fd()).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        range(first, fd - 1)?;
        first = first.max(fd + 1);
    }
    range(first, RawFd::MAX)
}

fn range(first: RawFd, last: RawFd) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    #[cfg(not(anyfork_no_close_range))]
    {
        // SAFETY: the caller's process uses none of these descriptors any more (see the module's documentation).
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
            return Err(error);
        }
    }
    one_by_one(first, last)
}

/// Where close_range(2) is refused (old kernels, seccomp filters): the kernel's list of what is open.
fn one_by_one(first: RawFd, last: RawFd) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| (first..=last).contains(fd))
        .collect();
    for fd in open {
        // SAFETY: as above. One of them was the directory's own descriptor and is closed by now: EBADF is fine,
        // as this process has one thread and opens nothing in between.
        unsafe { libc::close(fd) };
    }
    Ok(())
}
