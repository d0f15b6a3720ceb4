//! What `ps` and `top` show: the argument area of the process and its name, proc_pid_cmdline(5) and PR_SET_NAME(2const).
//!
//! # Safety
//! The kernel says where the process's arguments are (proc_pid_stat(5), fields 48 and 49): a writable area at the top of the
//! stack. It is written with one thread and stays NUL-terminated, so that pointers into it remain C strings.
#![allow(unsafe_code)]

use super::threads::SingleThread;
use std::ffi::CString;
use std::sync::OnceLock;

/// Bytes that an exec'd template reserves for later titles, its own and those of its forks.
pub(crate) const ROOM: usize = 240;

/// Start and length of the argument area. Inherited by forks, whose area is at the same place.
static AREA: OnceLock<Option<(usize, usize)>> = OnceLock::new();

/// Shows `title` in the process list, cut to the room there is, and its last path segment as the short name.
pub(crate) fn set(_proof: &SingleThread, title: &str) {
    let short = title.trim_start_matches("anyfork: ").split(' ').next().unwrap_or(title);
    let short = short.rsplit("::").next().unwrap_or(short);
    if let Ok(short) = CString::new(&short.as_bytes()[..short.len().min(15)]) {
        let _ = rustix::thread::set_name(&short);
    }
    let Some((start, length)) = *AREA.get_or_init(area) else { return };
    let title = title.as_bytes();
    let used = title.len().min(length - 1);
    // SAFETY: see the module's documentation; `used` is less than the area's length.
    unsafe {
        std::ptr::copy_nonoverlapping(title.as_ptr(), start as *mut u8, used);
        std::ptr::write_bytes((start + used) as *mut u8, 0, length - used);
    }
}

/// A title padded to [`ROOM`], for the argument of an exec.
pub(crate) fn padded(title: &str) -> String {
    format!("{title:<ROOM$}")
}

fn area() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses and may hold anything; fields are counted after it, from the third.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let start: usize = fields.nth(48 - 3)?.parse().ok()?;
    let end: usize = fields.next()?.parse().ok()?;
    (start != 0 && end > start + 1).then_some((start, end - start))
}
