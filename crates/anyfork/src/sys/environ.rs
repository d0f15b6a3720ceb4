//! What a process inherits through exec(2): the environment, and a descriptor known by its number.
//!
//! # Safety
//! The environment of a process may be changed only while no other thread reads it. A descriptor may be adopted only
//! if nothing else in the process owns it.
#![allow(unsafe_code)]

use super::threads::SingleThread;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Whether this program runs with privileges that its caller does not have (getauxval(3), `AT_SECURE`).
pub(crate) fn is_secure() -> bool {
    // SAFETY: getauxval has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether an exec of this program by this process runs so: because this one does, or its effective ids are not its real ones.
pub(crate) fn execs_securely() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    is_secure() || getuid() != geteuid() || getgid() != getegid()
}

/// Looks at an inherited descriptor with `check`, and adopts it if that says it is the one that was meant.
pub(crate) fn adopt(number: RawFd, check: impl FnOnce(BorrowedFd<'_>) -> bool) -> Option<OwnedFd> {
    // SAFETY: fcntl(2) with F_GETFD looks at the number alone.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, and this process has not yet run code that could close it.
    if !open || !check(unsafe { BorrowedFd::borrow_raw(number) }) {
        return None;
    }
    // SAFETY: what the check accepts was put there for anyfork, and nothing else knows of it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes a variable, so that no program started from here sees it, and wipes its value from where the kernel put it
/// (`/proc/PID/environ` shows that place).
pub(crate) fn remove(_proof: &SingleThread, name: &str) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: the proof says that this process has one thread, so nobody else reads the value, which is a C string.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if !value.is_null() {
            std::ptr::write_bytes(value, b'-', libc::strlen(value));
        }
        libc::unsetenv(name.as_ptr());
    }
}

/// Moves the environment out of the place where the kernel put it.
pub(crate) fn copy(_proof: &SingleThread) {
    // A name with '=' can come from an exec, but cannot be set.
    for (name, value) in std::env::vars_os().filter(|(name, _)| !name.as_encoded_bytes().contains(&b'=')) {
        // SAFETY: the proof says that this process has one thread.
        unsafe { std::env::set_var(name, value) };
    }
}
