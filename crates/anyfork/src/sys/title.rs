//! What `ps` and `top` show: the argument area of the process and its name, proc_pid_cmdline(5) and PR_SET_NAME(2const).
//!
//! # Safety
//! The kernel says where the process's arguments are (proc_pid_stat(5), fields 48 to 51): a writable area at the top of the
//! stack. It is written with one thread and stays NUL-terminated, so that pointers into it remain C strings.
#![allow(unsafe_code)]

use super::environ;
use super::stat::Stat;
use super::threads::SingleThread;
use std::ffi::CStr;
#[cfg(target_env = "gnu")]
use std::ffi::c_char;
use std::sync::OnceLock;

/// Bytes that an exec'd template reserves for later titles, its own and those of its forks.
pub(crate) const ROOM: usize = 240;

/// Start and length of the area for titles. Inherited by forks, whose area is at the same place.
static AREA: OnceLock<Option<(usize, usize)>> = OnceLock::new();

/// Makes room for titles in a fork of a program, whose arguments may be short: the environment, which lies behind them, moves
/// to the heap, and its place is used too (as setproctitle(3) does).
pub(crate) fn claim_environment(proof: &SingleThread) {
    environ::copy(proof);
    AREA.get_or_init(|| area().map(|Area { start, environment_end, .. }| (start, environment_end - start)));
}

/// The area is that of the first of these arguments: for a process that was started with one as long as titles may be. Asking the kernel takes longer.
///
/// # Safety
/// They are what the kernel has put there for this process, argv of its `main`.
#[cfg(target_env = "gnu")]
pub(super) unsafe fn claim_argument(arguments: *const *const c_char) {
    // SAFETY: the caller's promise: an array that ends with a null pointer, of strings that nobody moves.
    let first = unsafe { arguments.as_ref() }.filter(|first| !first.is_null());
    // SAFETY: as above.
    let first = first.map(|first| unsafe { CStr::from_ptr(*first) });
    if let Some(first) = first.filter(|first| !first.is_empty()) {
        AREA.get_or_init(|| Some((first.as_ptr() as usize, first.count_bytes() + 1)));
    }
}

/// Shows `anyfork: `, `what` and `whose` in the process list, cut to the room there is, and the last path segment of
/// `what` as the short name. Allocates nothing: it is called in each fork.
pub(crate) fn set(_proof: &SingleThread, what: &str, whose: &str) {
    set_short_name(what.as_bytes());
    let own = || area().map(|Area { start, end, .. }| (start, end - start));
    let Some((start, length)) = *AREA.get_or_init(own) else { return };
    let mut used = 0;
    for part in ["anyfork: ", what, whose] {
        let part = &part.as_bytes()[..part.len().min(length - 1 - used)];
        // SAFETY: see the module's documentation; `used` and the part together are less than the area's length.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), (start + used) as *mut u8, part.len()) };
        used += part.len();
    }
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes((start + used) as *mut u8, 0, length - used) };
}

fn set_short_name(path: &[u8]) {
    let last = path.iter().rposition(|byte| *byte == b':').map_or(path, |colon| &path[colon + 1..]);
    let mut short = [0; 16];
    for (to, from) in short[..15].iter_mut().zip(last) {
        *to = *from;
    }
    let length = short.iter().position(|byte| *byte == 0).unwrap_or(15);
    // SAFETY: the last byte of the array is NUL, so there is a first one, and the slice ends with it. (Checked by hand because
    // std's function is a page of code that a fork would have to map.)
    let _ = rustix::thread::set_name(unsafe { CStr::from_bytes_with_nul_unchecked(&short[..=length]) });
}

/// A title padded to [`ROOM`], for the argument of an exec.
pub(crate) fn padded(title: &str) -> String {
    format!("{title:<ROOM$}")
}

/// Where the kernel finds arguments and environment.
struct Area {
    start: usize,
    end: usize,
    environment_end: usize,
}

fn area() -> Option<Area> {
    let stat = Stat::of("self")?;
    let (start, end): (usize, usize) = (stat.field(48)?, stat.field(49)?);
    let (environment, environment_end): (usize, usize) = (stat.field(50)?, stat.field(51)?);
    // Behind the arguments, unless somebody moved it (prctl(2), PR_SET_MM).
    let environment_end = if environment == end && environment_end > end { environment_end } else { end };
    (start != 0 && end > start + 1).then_some(Area { start, end, environment_end })
}
