//! fork(2), by the C library's function, so that its state is right in the child.
//!
//! # Safety
//! A fork copies one thread. If there are others, locks that they hold stay locked in the child for ever;
//! so this asks for the proof that there are none.
#![allow(unsafe_code)]

use super::threads::SingleThread;
use std::io;

pub(crate) enum Fork {
    /// The new process, which has one thread.
    Child(SingleThread),
    Parent(u32),
}

pub(crate) fn fork(proof: SingleThread) -> io::Result<Fork> {
    // SAFETY: this process has one thread, so the child's copy of memory is consistent and no lock is held by others.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child(proof)),
        pid => Ok(Fork::Parent(pid as u32)),
    }
}
