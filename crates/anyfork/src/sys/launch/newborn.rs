//! What runs in the new process, between its creation and the exec.
//!
//! # Safety
//! See [`launch`](super): system calls without the C library, reads of a [`Launch`], and writes to the own stack.

use super::{Call, Label, Launch};
use crate::sys::lack::{Availability, Lack};
use crate::wire::{self, FAILURE_PARTS_AT, MAX_TEXT};
use libc::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use syscalls::{Errno, Sysno};

pub(super) extern "C" fn enter(launch: *mut c_void) -> c_int {
    // SAFETY: `start` passes a launch that stays as long as this process looks at it.
    unsafe {
        let launch = &*launch.cast::<Launch>();
        // As `CLONE_CHILD_CLEARTID`, which not every C library lets through.
        let _ = syscalls::syscall1(Sysno::set_tid_address, launch.running.as_ptr() as usize);
        launch.run(&launch.joining)
    }
}

/// Raw, as the C library may remember another number.
pub(super) unsafe fn getpid() -> u32 {
    // SAFETY: no preconditions.
    unsafe { syscalls::syscall0(Sysno::getpid) }.unwrap_or(0) as u32
}

/// A new process with a copy of the memory, which goes on here too: there the result is 0. clone3(2), or clone(2) where filters refuse that.
///
/// Its number is stored in `number` before it runs; it can read that if the place is shared.
///
/// # Safety
/// It must not use the C library, nor anything else that would have to know of the fork.
pub(super) unsafe fn copy(namespaces: u32, cgroup: Option<RawFd>, number: Option<&AtomicU32>) -> Result<usize, Errno> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: numbers and addresses, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    let (store, place) = match number {
        Some(number) => (libc::CLONE_PARENT_SETTID as u32, number.as_ptr() as usize),
        None => (0, 0),
    };
    arguments.flags = u64::from(namespaces | store);
    arguments.parent_tid = place as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup as u64;
    }
    let address = (&raw const arguments) as usize;
    // SAFETY: a whole struct of the kernel's layout; the rest is the caller's duty.
    let made = unsafe { syscalls::syscall2(Sysno::clone3, address, size_of::<libc::clone_args>()) };
    match made {
        Err(Errno::ENOSYS | Errno::EPERM) if cgroup.is_none() => {
            let flags = (namespaces | store) as usize | libc::SIGCHLD as usize;
            let [first, second] = if cfg!(target_arch = "s390x") { [0, flags] } else { [flags, 0] };
            // SAFETY: no stack: as fork(2).
            unsafe { syscalls::syscall5(Sysno::clone, first, second, place, 0, 0) }
        }
        made => made,
    }
}

/// Whether clone3(2) may be used: asked with less than its first version wants to know, which makes no process (EINVAL).
pub(super) fn try_clone3() -> Availability {
    // SAFETY: no memory is passed; a struct of no size is refused before it is looked at.
    match unsafe { syscalls::syscall2(Sysno::clone3, 0, 0) } {
        Ok(_) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(Lack::Refused(rustix::io::Errno::from_raw_os_error(errno.into_raw()))),
    }
}

unsafe fn exit(code: usize) -> ! {
    loop {
        // SAFETY: no preconditions.
        let _ = unsafe { syscalls::syscall1(Sysno::exit_group, code) };
    }
}

impl Launch {
    pub(super) unsafe fn run(&self, joining: &[Call]) -> ! {
        // SAFETY: the caller is the new process.
        unsafe {
            if self.is_announced {
                self.announce();
            }
            self.follow(joining);
            self.follow(&self.calls);
            self.exec()
        }
    }

    /// Says *started*, with the process's pidfd. If nobody listens any more, it never starts.
    pub(super) unsafe fn announce(&self) {
        // SAFETY: numbers.
        let pidfd = match unsafe { syscalls::syscall2(Sysno::pidfd_open, getpid() as usize, 0) } {
            Ok(pidfd) if !cfg!(anyfork_no_pidfd) => Some(pidfd as c_int),
            _ => None,
        };
        // SAFETY: this is the new process, in which nothing else is under way.
        let sent = match unsafe { self.send_started(pidfd) } {
            // Of this user's descriptors are too many under way (unix(7)), or there is no memory for them: then without.
            // SAFETY: as above.
            Err(Errno::ETOOMANYREFS | Errno::ENOBUFS | Errno::ENOMEM) => unsafe { self.send_started(None) },
            sent => sent,
        };
        if sent.is_err() {
            // SAFETY: no preconditions.
            unsafe { exit(0) }
        }
    }

    unsafe fn send_started(&self, pidfd: Option<c_int>) -> Result<usize, Errno> {
        const ROOM: usize = 24;
        #[repr(align(8))]
        struct Control([u8; ROOM]);
        let mut control = Control([0; ROOM]);
        let frame = wire::started(self.pid.load(Ordering::Relaxed), u16::from(pidfd.is_some()));
        let mut part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
        // SAFETY: zero is valid for all fields.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
        if let Some(pidfd) = pidfd {
            message.msg_control = control.0.as_mut_ptr().cast();
            // SAFETY: one header with one number fits into the room (cmsg(3)), which the buffer has, aligned.
            unsafe {
                message.msg_controllen = libc::CMSG_SPACE(size_of::<c_int>() as u32) as _;
                let header = libc::CMSG_FIRSTHDR(&message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as u32) as _;
                libc::CMSG_DATA(header).cast::<c_int>().write_unaligned(pidfd);
            }
        }
        // SAFETY: a whole message.
        unsafe { self.send(&message) }
    }

    unsafe fn send(&self, message: &libc::msghdr) -> Result<usize, Errno> {
        let (socket, address, flags) =
            (self.manner.socket as usize, ptr::from_ref(message) as usize, libc::MSG_NOSIGNAL);
        loop {
            // SAFETY: the caller's message is whole.
            match unsafe { syscalls::syscall3(Sysno::sendmsg, socket, address, flags as usize) } {
                Err(Errno::EINTR) => {}
                sent => return sent,
            }
        }
    }

    pub(super) unsafe fn follow(&self, calls: &[Call]) {
        let mut opened = 0;
        for call in calls {
            // SAFETY: the launch owns what the calls point to.
            if let Err(errno) = unsafe { call.make(&mut opened) } {
                // SAFETY: this is the new process.
                unsafe { self.fail(call.label, errno, "") }
            }
        }
    }

    /// As execvp(3) tries the directories of `PATH`; but a script without `#!` is an error, as with posix_spawn(3).
    pub(super) unsafe fn exec(&self) -> ! {
        let (arguments, environment) = (self.arguments.as_ptr() as usize, self.environment.as_ptr() as usize);
        let (mut reason, mut is_denied) = (Errno::ENOENT, false);
        for file in &self.files {
            // SAFETY: NUL-terminated strings and NULL-terminated lists of such.
            let result = unsafe { syscalls::syscall3(Sysno::execve, *file as usize, arguments, environment) };
            // It does not return otherwise.
            let Err(errno) = result else { continue };
            reason = errno;
            match errno {
                // It may be found further on; if not, this is why.
                Errno::EACCES => is_denied = true,
                Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::ENAMETOOLONG
                | Errno::ESTALE
                | Errno::ENODEV
                | Errno::ETIMEDOUT => {}
                _ => {
                    is_denied = false;
                    break;
                }
            }
        }
        if is_denied {
            reason = Errno::EACCES;
        }
        // SAFETY: this is the new process.
        unsafe { self.fail(self.name, reason, self.hint(reason)) }
    }

    /// What the errno of a failed exec hides.
    unsafe fn hint(&self, reason: Errno) -> &'static str {
        let [file] = &self.files[..] else { return "" };
        if self.manner.is_filtered {
            return "";
        }
        let (file, here) = (*file as usize, libc::AT_FDCWD as usize);
        // SAFETY: a NUL-terminated string.
        let opens = |flags: c_int| unsafe { syscalls::syscall4(Sysno::openat, here, file, flags as usize, 0) }.is_ok();
        match reason {
            Errno::ENOENT if opens(libc::O_PATH) => "it is there, but the interpreter that it names is not",
            Errno::EACCES if opens(libc::O_PATH | libc::O_DIRECTORY) => "it is a directory",
            Errno::ENOEXEC => "it is neither a program for this system nor a script that begins with #!",
            _ => "",
        }
    }

    /// Says *failed*, and ends the process.
    unsafe fn fail(&self, label: Label, errno: Errno, message: &'static str) -> ! {
        let quote = usize::from(label.quoted);
        let object = label.object.1.min(MAX_TEXT - 2);
        let lengths = [label.step.len(), object + 2 * quote, message.len()];
        let heads = wire::system_failure(errno.into_raw(), lengths);
        let part =
            |address: *const u8, length: usize| libc::iovec { iov_base: address.cast_mut().cast(), iov_len: length };
        let head = |index: usize| {
            let head = &heads[index][FAILURE_PARTS_AT[index]..];
            part(head.as_ptr(), head.len())
        };
        let mut parts = [
            head(0),
            part(label.step.as_ptr(), label.step.len()),
            head(1),
            part(b"\"".as_ptr(), quote),
            part(label.object.0 as *const u8, object),
            part(b"\"".as_ptr(), quote),
            head(2),
            part(message.as_ptr(), message.len()),
        ];
        // SAFETY: zero is valid for all fields.
        let mut frame: libc::msghdr = unsafe { std::mem::zeroed() };
        (frame.msg_iov, frame.msg_iovlen) = (parts.as_mut_ptr(), parts.len() as _);
        // SAFETY: a whole message, of parts that are there.
        unsafe {
            if self.send(&frame).is_err() {
                // A filter may refuse to send, and still let write.
                let (socket, parts_at) = (self.manner.socket as usize, parts.as_ptr() as usize);
                let _ = syscalls::syscall3(Sysno::writev, socket, parts_at, parts.len());
            }
            exit(1)
        }
    }
}
