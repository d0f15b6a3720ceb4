//! landlock(7), as far as it is asked for: rulesets come from the crate `landlock`, and are put in force in the new process.
//!
//! # Safety
//! One system call, which reads no memory when it is asked for the version.
#![allow(unsafe_code)]

use super::lack::Lack;
use std::io;
use std::ptr;

/// The version of Landlock that the kernel has.
pub(crate) fn version() -> Result<u32, Lack> {
    const VERSION: u32 = 1;
    // SAFETY: no attributes are passed; the answer is a number, not a descriptor.
    match unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0, VERSION) } {
        version @ 1.. => Ok(version as u32),
        _ => Err(io::Error::last_os_error().into()),
    }
}
