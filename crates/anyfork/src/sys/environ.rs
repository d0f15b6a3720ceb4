//! What a process inherits through exec(2): the environment, and a descriptor known by its number.
//!
//! # Safety
//! The environment of a process may be changed only while no other thread reads it. A descriptor may be adopted only
//! if nothing else in the process owns it.
#![allow(unsafe_code)]

use super::stat::Stat;
use super::threads::SingleThread;
use std::ffi::{CStr, CString, OsString, c_char};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

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

/// Moves the environment out of the place where the kernel put it. Leaves no other copies.
pub(crate) fn copy(_proof: &SingleThread) {
    let Some(block) = block() else { return };
    // SAFETY: the proof says that nobody else reads or changes the array, whose strings are C strings.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            if block.contains(&(*next as usize)) {
                let copy = libc::strdup(*next);
                if !copy.is_null() {
                    *next = copy;
                }
            }
            next = next.add(1);
        }
    }
}

/// A variable as a program is given it.
pub(crate) fn joined((mut name, value): (OsString, OsString)) -> Vec<u8> {
    name.push("=");
    name.push(value);
    name.into_vec()
}

unsafe extern "C" {
    /// environ(7): pointers to strings, and a null pointer behind them.
    static mut environ: *mut *mut c_char;
}

/// Leaves only those variables, `NAME=VALUE`, of which `is_allowed` says so, and wipes all others: where the kernel put them, those included that were removed since, and where the C library
/// has put those that were set since. An error without `/proc`; then some may still be there.
pub(crate) fn keep_only(_proof: &SingleThread, is_allowed: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let block = block().ok_or(io::ErrorKind::NotFound)?;
    let (mut kept, mut elsewhere) = (Vec::new(), Vec::new());
    // SAFETY: the proof says that nobody else reads or changes the array, whose strings are C strings. It gets shorter in place, as with unsetenv(3).
    unsafe {
        let (mut next, mut last) = (environ, environ);
        while !next.is_null() && !(*next).is_null() {
            let text = CStr::from_ptr(*next).to_bytes();
            let place = *next as usize..*next as usize + text.len();
            if is_allowed(text) {
                *last = *next;
                last = last.add(1);
                kept.push(place);
            } else if !block.contains(&place.start) {
                elsewhere.push(place);
            }
            next = next.add(1);
        }
        if !last.is_null() {
            *last = std::ptr::null_mut();
        }
    }
    wipe_elsewhere(&elsewhere)?;
    wipe_between(block, kept);
    Ok(())
}

/// Where the kernel put the environment: proc_pid_stat(5), fields 50 and 51.
fn block() -> Option<Range<usize>> {
    let stat = Stat::of("self")?;
    Some(stat.field(50)?..stat.field(51)?)
}

/// Wipes a part of memory but for some places in it.
fn wipe_between(block: Range<usize>, mut kept: Vec<Range<usize>>) {
    kept.retain(|place| block.contains(&place.start));
    kept.sort_by_key(|place| place.start);
    let starts = [block.start].into_iter().chain(kept.iter().map(|place| place.end));
    let ends = kept.iter().map(|place| place.start).chain([block.end]);
    for (start, end) in starts.zip(ends) {
        // SAFETY: this part of the stack is the process's own and writable, no string that is still in the array is here, and the proof of the caller says that nobody reads the others.
        unsafe { std::ptr::write_bytes(start as *mut u8, 0, end.saturating_sub(start)) };
    }
}

/// Wipes strings of which nobody knows whether they can be written to: putenv(3) takes constants too.
fn wipe_elsewhere(places: &[Range<usize>]) -> io::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let memory = File::options().write(true).open("/proc/self/mem")?;
    places.iter().try_for_each(|place| memory.write_all_at(&vec![0; place.len()], place.start as u64))
}
