//! Signals of a template: all blocked, SIGCHLD read from a signalfd(2). Blocked is better than ignored here: a fork undoes it
//! with one call, and nothing stays pending for the child. And a handler would write to memory that is shared with the forks.
//!
//! # Safety
//! sigaction(2), sigprocmask(2) and signalfd(2) on initialised objects.
#![allow(unsafe_code)]

use super::threads::SingleThread;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use syscalls::Sysno;

/// A process to which only SIGKILL and SIGSTOP happen; that a child has ended it can read.
#[derive(Debug)]
pub(crate) struct Deaf {
    children: OwnedFd,
}

impl Deaf {
    /// Blocks all signals of this process.
    pub(crate) fn new(_proof: &SingleThread) -> io::Result<Self> {
        // Were SIGCHLD ignored, the kernel would throw the statuses of the children away.
        set_default(libc::SIGCHLD);
        set_mask(&all());
        let mut child = none();
        // SAFETY: an initialised set.
        unsafe { libc::sigaddset(&mut child, libc::SIGCHLD) };
        // SAFETY: an initialised set; -1 asks for a new descriptor.
        let number = unsafe { libc::signalfd(-1, &child, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made it.
        Ok(Deaf { children: unsafe { OwnedFd::from_raw_fd(number) } })
    }

    /// The child that the pending SIGCHLD names. More than one may have ended: signals of one kind merge.
    pub(crate) fn ended_child(&self) -> Option<u32> {
        const PID_AT: usize = std::mem::offset_of!(libc::signalfd_siginfo, ssi_pid);
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.children, &mut info) {
            Ok(length) if length == info.len() => info[PID_AT..].first_chunk().map(|pid| u32::from_ne_bytes(*pid)),
            _ => None,
        }
    }

    /// In a forked child: an empty mask again.
    pub(crate) fn hear(self) {
        unblock();
    }
}

/// Readable when a child has ended.
impl AsFd for Deaf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.children.as_fd()
    }
}

/// Gives every signal its default disposition: for a process forked from a program with handlers of its own.
pub(crate) fn reset_dispositions() {
    for signal in 1..=64 {
        set_default(signal);
    }
    unblock();
}

/// Ignores SIGPIPE, as Rust programs expect: writing to a closed socket is an error, not a death.
pub(crate) fn ignore_sigpipe() {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: an initialised action.
    unsafe { libc::sigaction(libc::SIGPIPE, &action, ptr::null_mut()) };
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

/// What this process does at its signals, as bits, signal 1 lowest; at the others it does the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dispositions {
    pub(crate) ignored: u64,
    pub(crate) handled: u64,
}

/// Those of this process, with those that the C library keeps for itself (32 and 33): an exec hands them on too.
pub(crate) fn dispositions() -> Dispositions {
    let mut all = Dispositions { ignored: 0, handled: 0 };
    for signal in 1..=64 {
        // The kernel's struct begins with the handler.
        let mut action = [0_usize; 4];
        let address = action.as_mut_ptr() as usize;
        // SAFETY: asks, and writes one struct of at most this size.
        let asked = unsafe { syscalls::syscall4(Sysno::rt_sigaction, signal, 0, address, 8) };
        let bit = 1 << (signal - 1);
        match action[0] {
            _ if asked.is_err() => {}
            libc::SIG_DFL => {}
            libc::SIG_IGN => all.ignored |= bit,
            _ => all.handled |= bit,
        }
    }
    all
}

/// Bits of the signals that this thread blocks, signal 1 lowest.
pub(crate) fn blocked() -> u64 {
    let mut set = none();
    // SAFETY: asks, and writes one set.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut set) };
    // SAFETY: an initialised set and numbers of signals.
    let is_blocked = |signal: &c_int| unsafe { libc::sigismember(&set, *signal) } == 1;
    (1..=64).filter(is_blocked).fold(0, |bits, signal| bits | 1 << (signal - 1))
}

fn set_default(signal: c_int) {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = libc::SIG_DFL;
    // SAFETY: an initialised action. For signals that cannot be caught the call fails and changes nothing.
    unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
}

/// An empty mask. Without the C library, whose functions for it are two more places that a fork would have to map.
fn unblock() {
    let none = 0_u64;
    let (how, set) = (libc::SIG_SETMASK as usize, &raw const none as usize);
    // SAFETY: reads one set of the kernel's size, which lives until the call returns.
    let _ = unsafe { syscalls::syscall4(Sysno::rt_sigprocmask, how, set, 0, size_of_val(&none)) };
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: an initialised set.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

fn none() -> libc::sigset_t {
    // SAFETY: a set is an array of bits, and all zero is the empty one, in glibc as in musl.
    unsafe { MaybeUninit::zeroed().assume_init() }
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
