//! Signals of a template: all blocked, except SIGCHLD while it sleeps. Blocked is better than ignored here: a fork undoes
//! it with one call, and nothing stays pending for the child.
//!
//! # Safety
//! sigaction(2), sigprocmask(2) and ppoll(2) on initialised objects; the handler touches nothing but atomics.
#![allow(unsafe_code)]

use super::threads::SingleThread;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The child named by the last SIGCHLD; more than one may have ended.
static ENDED: AtomicU32 = AtomicU32::new(0);

extern "C" fn note_child(_: c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler that was installed with SA_SIGINFO.
    let pid = unsafe { (*info).si_pid() };
    ENDED.store(pid as u32, Ordering::Relaxed);
}

/// Takes the number of the child that the last SIGCHLD named.
pub(crate) fn take_ended_child() -> Option<u32> {
    let pid = ENDED.swap(0, Ordering::Relaxed);
    (pid != 0).then_some(pid)
}

/// From now on only SIGKILL and SIGSTOP act on this process; SIGCHLD is noted during [`sleep`].
pub(crate) fn become_deaf(_proof: &SingleThread) {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = note_child as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NOCLDSTOP;
    set_mask(&all());
    // SAFETY: an initialised action whose handler lives as long as the program.
    unsafe { libc::sigaction(libc::SIGCHLD, &action, ptr::null_mut()) };
}

/// Undoes [`become_deaf`] in a forked child: empty mask, SIGCHLD as at the start.
pub(crate) fn hear_again() {
    set_default(libc::SIGCHLD);
    ENDED.store(0, Ordering::Relaxed);
    set_mask(&none());
}

/// Gives every signal its default disposition: for a process forked from a program with handlers of its own.
pub(crate) fn reset_dispositions() {
    for signal in 1..=64 {
        set_default(signal);
    }
    set_mask(&none());
}

/// Ignores SIGPIPE, as Rust programs expect: writing to a closed socket is an error, not a death.
pub(crate) fn ignore_sigpipe() {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: an initialised action.
    unsafe { libc::sigaction(libc::SIGPIPE, &action, ptr::null_mut()) };
}

/// Sleeps until a descriptor is ready, a child has ended, or the time has passed. `writable`: also wait until the first one is.
/// Returns which of the descriptors are ready.
pub(crate) fn sleep<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    writable: bool,
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polls = descriptors.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    if writable && let Some(first) = polls.first_mut() {
        first.events |= libc::POLLOUT;
    }
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as _,
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut mask = all();
    // SAFETY: an initialised set.
    unsafe { libc::sigdelset(&mut mask, libc::SIGCHLD) };
    // SAFETY: an array of N initialised entries, and pointers to objects in this frame.
    let ready = unsafe { libc::ppoll(polls.as_mut_ptr(), N as libc::nfds_t, timeout, &mask) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(polls.map(|poll| ready > 0 && poll.revents != 0))
}

/// Writes `signal` to a child that this process has not waited for, so its number is its own.
pub(crate) fn send_to_child(pid: u32, signal: u32) -> io::Result<()> {
    // SAFETY: kill(2) has no memory preconditions.
    if unsafe { libc::kill(pid as libc::pid_t, signal as c_int) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_default(signal: c_int) {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = libc::SIG_DFL;
    // SAFETY: an initialised action. For signals that cannot be caught the call fails and changes nothing.
    unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: an initialised set.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

fn none() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn all() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn zeroed() -> libc::sigaction {
    // SAFETY: all fields of a sigaction are integers, a set of bits or an optional function: zero is valid for each.
    unsafe { std::mem::zeroed() }
}
