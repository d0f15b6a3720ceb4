//! _exit(2): how a forked process ends, without the destructors and atexit handlers of its template.
//!
//! # Safety
//! C functions without preconditions, called with valid arguments.
#![allow(unsafe_code)]

#[cfg(target_env = "gnu")]
use std::ffi::c_int;
use std::io::Write;

/// Ends this process at once: no destructor, no atexit handler, no buffer is written.
pub(crate) fn now(code: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Ends this process as after a panic that nobody caught.
pub(crate) const PANICKED: i32 = 101;

/// Writes out what Rust's and C's buffers of standard output hold.
pub(crate) fn flush_output() {
    // What cannot be written (a closed standard output) is lost in every other program as well.
    let _ = std::io::stdout().flush();
    // SAFETY: fflush(NULL) flushes all output streams of the C library; it has no preconditions.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// In a template: lets `exit(3)`, when called in a fork, end that without the atexit handlers that were registered before now.
///
/// Handlers run in the reverse order of their registration: those that a fork registers come first, then this one,
/// and it does not return.
#[cfg(target_env = "gnu")]
pub(crate) fn skip_earlier_handlers() {
    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut libc::c_void), argument: *mut libc::c_void) -> c_int;
    }
    extern "C" fn leave(status: c_int, _: *mut libc::c_void) {
        flush_output();
        now(status)
    }
    // SAFETY: on_exit(3) keeps the pointer to a function that lives as long as the program.
    unsafe { on_exit(leave, std::ptr::null_mut()) };
}

/// Other C libraries have no on_exit(3): there, an entry that calls `exit(3)` runs its template's handlers.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn skip_earlier_handlers() {}
