//! close_range(2): closes whatever a process inherited by accident.
//!
//! # Safety
//! Closing a descriptor that a Rust object owns breaks that object. This is called only in processes that
//! have just been made for anyfork, in which no such object is used any more.
#![allow(unsafe_code)]

use super::lack::{Availability, Lack};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::OnceLock;

/// Closes every descriptor above 2 except those in `keep`.
pub(crate) fn all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let keep = keep.iter().map(|fd| fd.as_raw_fd()).collect();
    ranges_between(keep).into_iter().try_for_each(|(first, last)| range(first, last))
}

/// The ranges above 2 in which none of `keep` is, ends included.
pub(crate) fn ranges_between(mut keep: Vec<RawFd>) -> Vec<(RawFd, RawFd)> {
    keep.sort_unstable();
    let mut first = 3;
    let mut ranges = Vec::new();
    for fd in keep.into_iter().chain([RawFd::MAX]) {
        let last = if fd == RawFd::MAX { fd } else { fd - 1 };
        if first <= last {
            ranges.push((first, last));
        }
        first = first.max(fd.saturating_add(1));
    }
    ranges
}

/// Whether close_range(2) may be used. Asked once.
pub(crate) fn has_ranges() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| try_range().is_ok())
}

/// Whether close_range(2) may be used, or why not.
pub(crate) fn try_range() -> Availability {
    if cfg!(anyfork_no_close_range) {
        return Err(Lack::SwitchedOff);
    }
    // A range in which nothing can be open: numbers end far below.
    Ok(range_is_closed(RawFd::MAX, RawFd::MAX)?)
}

fn range(first: RawFd, last: RawFd) -> io::Result<()> {
    #[cfg(not(anyfork_no_close_range))]
    {
        let Err(error) = range_is_closed(first, last) else { return Ok(()) };
        if !super::errno::is_denial(&error) {
            return Err(error);
        }
    }
    one_by_one(first, last)
}

fn range_is_closed(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: the caller's process uses none of these descriptors any more (see the module's documentation), or can have none of them.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What is open, by the kernel's list: for where close_range(2) is refused (old kernels, seccomp filters).
pub(crate) fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let entries = std::fs::read_dir("/proc/self/fd")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

fn one_by_one(first: RawFd, last: RawFd) -> io::Result<()> {
    for fd in open_descriptors()?.into_iter().filter(|fd| (first..=last).contains(fd)) {
        // SAFETY: as above. One of them was the directory's own descriptor and is closed by now: EBADF is fine,
        // as this process has one thread and opens nothing in between.
        unsafe { libc::close(fd) };
    }
    Ok(())
}
