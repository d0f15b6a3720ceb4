//! What the kernel has, for tests that expect something else on an older one.

use crate::skipped;

/// Whether there are pidfds: on all kernels that the library runs on, unless the build does without.
pub fn has_pidfds() -> bool {
    !cfg!(anyfork_no_pidfd)
}

/// Whether the kernel says which process a pidfd is of, and the library asks (`PIDFD_GET_INFO`, Linux 6.13).
pub fn names_processes() -> bool {
    has_pidfds() && !cfg!(anyfork_no_pidfd_info) && is_as_new_as(6, 13)
}

/// Whether the kernel keeps the exit statuses of processes that nobody of this program has waited for, and the library asks (`PIDFD_INFO_EXIT`, Linux 6.15).
pub fn keeps_statuses() -> bool {
    names_processes() && is_as_new_as(6, 15)
}

/// The same, for a test that cannot do without: the reason why not is printed.
#[track_caller]
pub fn needs_kept_statuses() -> bool {
    let keeps = keeps_statuses();
    if !keeps {
        skipped("it takes a kernel that keeps exit statuses (Linux 6.15)");
    }
    keeps
}

/// By its release.
fn is_as_new_as(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}
