//! What posix_spawn(3) does, for where a filter refuses clone3(2) with another errno than the one that the C library takes for an old kernel (moby#42680): clone(2), so
//! that the new process shares the memory of the calling thread, which sleeps until the exec.
//!
//! # Safety
//! The new process runs [`enter`] alone, on a stack of its own: it makes system calls without the C library, reads what [`Start`] borrows, and writes to its stack and to
//! one atomic. The calling thread takes no signals meanwhile, so that no handler of the program runs in the new process.
#![allow(unsafe_code)]

use libc::{c_char, c_int, c_void};
use memmap2::MmapOptions;
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use syscalls::{Errno, Sysno};

/// A program that is to be started: with empty signal mask and default dispositions; it inherits `kept` under its number.
pub(super) struct Start<'a> {
    pub(super) file: &'a CStr,
    /// Pointers to C strings that live as long as this, the last one null.
    pub(super) arguments: &'a [*mut c_char],
    pub(super) environment: &'a [*mut c_char],
    pub(super) kept: BorrowedFd<'a>,
}

struct Shared<'a> {
    start: &'a Start<'a>,
    /// Why it could not become the program.
    errno: AtomicI32,
}

const STACK: usize = 64 * 1024;

impl Start<'_> {
    pub(super) fn spawn(&self) -> io::Result<u32> {
        let mut stack = MmapOptions::new().len(STACK).stack().map_anon()?;
        let shared = Shared { start: self, errno: AtomicI32::new(0) };
        let (top, argument) = (stack.as_mut_ptr_range().end, (&raw const shared).cast_mut());
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let before = block_all();
        // SAFETY: the top of a mapping that is nobody else's, and an argument that outlives the call, from which the new process has gone when it returns.
        let pid = unsafe { libc::clone(enter, top.cast(), flags, argument.cast()) };
        let error = io::Error::last_os_error();
        restore(&before);
        match shared.errno.load(Ordering::Relaxed) {
            _ if pid < 0 => Err(error),
            0 => Ok(pid as u32),
            errno => {
                // It has just ended, and nobody else knows it.
                let _ = rustix::io::retry_on_intr(|| waitpid(Pid::from_raw(pid), WaitOptions::empty()));
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

extern "C" fn enter(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes one that stays as long as this process shares its memory.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    // SAFETY: this is the new process, and the strings are there.
    let Err(errno) = (unsafe { shared.start.become_it() }) else { return 0 };
    shared.errno.store(errno.into_raw(), Ordering::Relaxed);
    loop {
        // SAFETY: no preconditions.
        let _ = unsafe { syscalls::syscall1(Sysno::exit_group, 127) };
    }
}

impl Start<'_> {
    unsafe fn become_it(&self) -> Result<usize, Errno> {
        let none = [0_u64; 4];
        let (action, kept) = (none.as_ptr() as usize, self.kept.as_raw_fd() as usize);
        for signal in 1..=64 {
            // SAFETY: a whole struct of the kernel's layout: the default, and nothing else. For those that cannot be caught it fails.
            let _ = unsafe { syscalls::syscall4(Sysno::rt_sigaction, signal, action, 0, 8) };
        }
        let (file, arguments) = (self.file.as_ptr() as usize, self.arguments.as_ptr() as usize);
        // SAFETY: numbers, one set, and strings that the caller vouches for.
        unsafe {
            // Not close-on-exec any more, in this copy of the descriptors alone.
            syscalls::syscall3(Sysno::fcntl, kept, libc::F_SETFD as usize, 0)?;
            syscalls::syscall4(Sysno::rt_sigprocmask, libc::SIG_SETMASK as usize, action, 0, 8)?;
            syscalls::syscall3(Sysno::execve, file, arguments, self.environment.as_ptr() as usize)
        }
    }
}

fn block_all() -> libc::sigset_t {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: sigfillset initialises the one set, pthread_sigmask the other.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore(before: &libc::sigset_t) {
    // SAFETY: an initialised set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
}
