//! A child that ends at once and that waitid(2) does not find, as no signal tells of it: for the mutant that leaves zombies.
//!
//! # Safety
//! clone(2) with nothing shared, in a process with one thread, is fork(2); the child makes one system call.
#![allow(unsafe_code)]

use super::threads::SingleThread;

pub(crate) fn make(_: &SingleThread) {
    // SAFETY: no flags, so that the child has a copy of all memory, its stack included, and nobody else's locks, as there is one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if pid == 0 {
        super::exit::now(0);
    }
}
