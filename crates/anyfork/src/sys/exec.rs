//! Starting the program's own image again from the main program: posix_spawn(3).
//!
//! posix_spawn(3) shares the caller's memory until the exec (`CLONE_VM | CLONE_VFORK` in glibc and musl), so it costs the
//! same in a program of 8 GB as in a small one, and it is safe with threads.
//!
//! # Safety
//! Pointers to C strings that live until the call returns.
#![allow(unsafe_code)]

use super::vfork;
use rustix::fd::{AsRawFd, BorrowedFd};
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;

/// The image of the calling process: the same file even after it was replaced or deleted on disk.
pub(crate) const OWN_IMAGE: &CStr = c"/proc/self/exe";

/// Arguments and environment of an exec, as C wants them.
pub(crate) struct Image {
    title: CString,
    environment: Vec<CString>,
}

impl Image {
    /// `title` becomes the only argument.
    pub(crate) fn new(title: CString, environment: Vec<CString>) -> Self {
        Image { title, environment }
    }

    fn pointers(&self) -> ([*mut c_char; 2], Vec<*mut c_char>) {
        let environment = self.environment.iter().map(|entry| entry.as_ptr().cast_mut());
        ([self.title.as_ptr().cast_mut(), std::ptr::null_mut()], environment.chain([std::ptr::null_mut()]).collect())
    }

    /// Starts the image as a child, with empty signal mask and default dispositions; it inherits `kept` under its number.
    pub(crate) fn spawn(&self, kept: BorrowedFd<'_>) -> io::Result<u32> {
        let (arguments, environment) = self.pointers();
        match posix_spawn(&arguments, &environment, kept) {
            // Where it may not use clone3(2), and is not told so in the way that it understands. If the exec was refused, it is refused again.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                let (arguments, environment) = (&arguments[..], &environment[..]);
                vfork::Start { file: OWN_IMAGE, arguments, environment, kept }.spawn()
            }
            spawned => spawned,
        }
    }
}

/// The pointers are to strings that live until it returns, the last one null.
fn posix_spawn(arguments: &[*mut c_char], environment: &[*mut c_char], kept: BorrowedFd<'_>) -> io::Result<u32> {
    let attributes = Attributes::new()?;
    let actions = Actions::new(kept)?;
    let (actions, attributes) = (&raw const actions.0, &raw const attributes.0);
    let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
    let mut pid = 0;
    // SAFETY: all pointers are to initialised objects and NUL-terminated strings that live until the call returns.
    check(unsafe { libc::posix_spawn(&mut pid, OWN_IMAGE.as_ptr(), actions, attributes, arguments, environment) })?;
    Ok(pid as u32)
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the function initialises what the pointer points to.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it succeeded.
        let mut attributes = Attributes(unsafe { attributes.assume_init() });
        let (mut none, mut all) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: sigemptyset and sigfillset initialise their set; the rest works on initialised objects.
        unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            libc::posix_spawnattr_setsigmask(&mut attributes.0, none.as_ptr());
            libc::posix_spawnattr_setsigdefault(&mut attributes.0, all.as_ptr());
            let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
            check(libc::posix_spawnattr_setflags(&mut attributes.0, flags as _))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(kept: BorrowedFd<'_>) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the function initialises what the pointer points to.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it succeeded.
        let mut actions = Actions(unsafe { actions.assume_init() });
        // A dup2 onto itself clears close-on-exec in the child alone (POSIX.1-2024; glibc 2.29, musl 1.1.22).
        let fd = kept.as_raw_fd();
        // SAFETY: an initialised object and a descriptor that is open while `kept` is borrowed.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut actions.0, fd, fd) })?;
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

fn check(errno: i32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}
