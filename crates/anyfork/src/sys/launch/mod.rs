//! From a template to an external program: clone(2), a list of prepared system calls, execve(2).
//!
//! The new process shares the memory of the template until its exec (`CLONE_VM`), as with vfork(2), so starting it does not
//! copy page tables; but the template is not stopped meanwhile. It has a stack of its own and a copy of the descriptors.
//!
//! # Safety
//! While both run, they may not write to the same memory. The new process runs only the functions in `newborn`:
//! they make system calls without the C library (whose `errno` belongs to a thread, and both are the same one), read what a [`Launch`] owns, and write
//! to their stack. The template does not change or free a `Launch` before the kernel has said that the
//! process has left its memory: it clears [`Launch::running`] at the exec or the end (set_tid_address(2)), or the process has been waited for.
#![allow(unsafe_code)]

mod newborn;
mod stacks;

use super::call::{Call, Calls, Label, Object};
use super::lack::{Availability, Lack};
use super::memfd;
use crate::blob::Blob;
use crate::wire::Strings;
use libc::{c_int, c_void};
use memmap2::MmapMut;
use newborn::{enter, getpid};
pub(crate) use stacks::Stacks;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use syscalls::{Errno, Sysno};

/// A process joins its control group instead.
const BIRTH_IS_SWITCHED_OFF: bool = cfg!(anyfork_no_clone_into_cgroup);

/// Whether a process can be born in its control group (version 2), or why it has to join it.
pub(crate) fn birth_in_cgroup() -> Availability {
    if BIRTH_IS_SWITCHED_OFF { Err(Lack::SwitchedOff) } else { newborn::try_clone3() }
}

/// What is to be done, borrowed from the octets in which it came.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Made only by a process that was not born in its control group: they move it there.
    pub(crate) joining: Calls<'a>,
    pub(crate) calls: Calls<'a>,
    /// Paths that are tried one after the other.
    pub(crate) files: Vec<CString>,
    /// What the caller called it.
    pub(crate) name: &'a CStr,
    pub(crate) arguments: Strings<'a>,
    pub(crate) environment: Strings<'a>,
    pub(crate) manner: Manner,
}

/// How the new process is made, and what it is to heed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// `CLONE_NEW*`.
    pub(crate) namespaces: u32,
    pub(crate) cgroup: Option<RawFd>,
    /// Where the answer is awaited.
    pub(crate) socket: RawFd,
    /// Whether a step changes what the kernel keeps alike in processes that share memory: then it must be a copy.
    pub(crate) needs_copy: bool,
    /// Whether the template can be debugged when it does not hide. A copy made meanwhile would hide too.
    pub(crate) can_be_debugged: bool,
    /// Whether users, groups or capabilities are changed. Then nobody of another standing may debug the process, which the kernel
    /// notes with the memory: with the template's too.
    pub(crate) changes_users: bool,
    /// Whether the last step is a filter of system calls, which might not like others than are needed.
    pub(crate) is_filtered: bool,
}

/// A program that is ready to be started, with all that its new process looks at.
#[derive(Debug)]
pub(crate) struct Launch {
    joining: Vec<Call>,
    calls: Vec<Call>,
    name: Label,
    files: Vec<*const libc::c_char>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    manner: Manner,
    /// Whether it says *started* before its first step.
    is_announced: bool,
    /// The number of the new process, as its template sees it.
    pid: AtomicU32,
    /// 0 when the new process has left this memory.
    running: AtomicU32,
    /// What the above points to.
    memory: Vec<Box<[u64]>>,
    _paths: Vec<CString>,
    text: Blob,
}

impl Launch {
    /// Keeps `text`, and what `plan` makes of it.
    pub(crate) fn new<E>(
        text: Blob,
        plan: impl for<'a> FnOnce(&'a [u8]) -> Result<Plan<'a>, E>,
    ) -> Result<Box<Self>, E> {
        // The octets of a blob stay where they are when the blob is moved.
        let Plan { joining, mut calls, files, name, arguments, environment, manner } = plan(&text)?;
        let pointers = |strings: Strings<'_>| strings.iter().map(CStr::as_ptr).chain([ptr::null()]).collect::<Vec<_>>();
        let (arguments, environment) = (pointers(arguments), pointers(environment));
        calls.step("exec", Object::Quoted(name.to_bytes()));
        let name = calls.label();
        let paths = files;
        Ok(Box::new(Launch {
            name,
            files: paths.iter().map(|path| path.as_ptr()).collect(),
            arguments,
            environment,
            manner,
            is_announced: true,
            pid: AtomicU32::new(0),
            running: AtomicU32::new(0),
            joining: joining.calls,
            calls: calls.calls,
            memory: joining.memory.into_iter().chain(calls.memory).collect(),
            _paths: paths,
            text,
        }))
    }

    /// For a program that says *started* itself.
    pub(crate) fn unannounced(mut self: Box<Self>) -> Box<Self> {
        self.is_announced = false;
        self
    }

    /// Starts it as a child of the calling process.
    pub(crate) fn start(self: Box<Self>, stacks: &mut Stacks) -> io::Result<Started> {
        let born_in_cgroup = self.manner.cgroup.map(|cgroup| self.start_copy(Some(cgroup))).transpose()?.flatten();
        let copy = match born_in_cgroup {
            None if self.manner.needs_copy => self.start_copy(None)?,
            born => born,
        };
        match copy {
            Some(pid) => Ok(Started { pid, launch: NonNull::from(Box::leak(self)), stack: None }),
            None => self.start_sharing(stacks),
        }
    }

    fn start_sharing(self: Box<Self>, stacks: &mut Stacks) -> io::Result<Started> {
        let mut stack = stacks.take()?;
        self.running.store(1, Ordering::Relaxed);
        let launch = NonNull::from(Box::leak(self));
        // SAFETY: leaked, so it is there.
        let Launch { manner, pid: number, .. } = unsafe { launch.as_ref() };
        let top = stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_PARENT_SETTID | libc::SIGCHLD | manner.namespaces as c_int;
        let none = ptr::null_mut::<c_void>();
        // SAFETY: the stack is mapped and nobody else's; it and the launch stay until `running` is 0 (see `Started`).
        // The top of a mapping is aligned as any architecture wants it.
        let pid = unsafe { libc::clone(enter, top.cast(), flags, launch.as_ptr().cast(), number.as_ptr(), none, none) };
        if pid < 0 {
            let error = io::Error::last_os_error();
            stacks.give(Some(stack));
            // SAFETY: leaked above, and there is no process that looks at it.
            drop(unsafe { Box::from_raw(launch.as_ptr()) });
            return Err(error);
        }
        Ok(Started { pid: pid as u32, launch, stack: Some(stack) })
    }

    /// Starts it on a copy of the memory, and in the control group at once (`CLONE_INTO_CGROUP`). `None` where a group can only be joined: then the process
    /// does that itself, and says what is wrong with it.
    fn start_copy(&self, cgroup: Option<RawFd>) -> io::Result<Option<u32>> {
        if cgroup.is_some() && BIRTH_IS_SWITCHED_OFF {
            return Ok(None);
        }
        // In a namespace of numbers the new process has another one inside, and must be told.
        let told = self.manner.namespaces & libc::CLONE_NEWPID as u32 != 0;
        let told = told.then(SharedNumber::new).transpose()?;
        // SAFETY: in the new process only the functions of `newborn` run, in a copy of this memory, so that nothing of the C library
        // is used whose state has not been told of the fork.
        match unsafe { newborn::copy(self.manner.namespaces, cgroup, told.as_ref().map(SharedNumber::get)) } {
            Ok(0) => {
                // SAFETY: as above.
                let own = || unsafe { getpid() };
                self.pid.store(told.map_or_else(own, |number| number.get().load(Ordering::Relaxed)), Ordering::Relaxed);
                if self.manner.can_be_debugged {
                    // SAFETY: numbers.
                    let _ = unsafe { syscalls::syscall2(Sysno::prctl, libc::PR_SET_DUMPABLE as usize, 1) };
                }
                let joining = if cgroup.is_some() { &[][..] } else { &self.joining };
                // SAFETY: this is the new process.
                unsafe { self.run(joining) }
            }
            Ok(pid) => Ok(Some(pid as u32)),
            Err(errno) if cgroup.is_none() || matches!(errno, Errno::EAGAIN | Errno::ENOMEM) => {
                Err(io::Error::from_raw_os_error(errno.into_raw()))
            }
            Err(_) => Ok(None),
        }
    }

    /// In a process that was forked for this program: makes the first `count` calls.
    pub(crate) fn prepare_self(&self, count: usize) {
        // SAFETY: see the module's documentation; this process has one thread, and exists for that.
        unsafe {
            self.follow(&self.joining);
            self.follow(&self.calls[..count]);
        }
    }

    /// Then says that it starts, makes the other calls, and becomes the program.
    pub(crate) fn replace_self(&self, count: usize) -> ! {
        // SAFETY: as above.
        unsafe {
            self.pid.store(getpid(), Ordering::Relaxed);
            self.announce();
            self.follow(&self.calls[count..]);
            self.exec()
        }
    }

    /// Overwrites arguments and environment in this process's memory: for a fork, which has no business with them.
    fn wipe(&mut self) {
        self.text.wipe();
        self.memory.iter_mut().for_each(|words| words.fill(0));
    }

    pub(crate) fn has_namespaces(&self) -> bool {
        self.manner.namespaces != 0
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A number in memory that forks share.
struct SharedNumber(MmapMut);

impl SharedNumber {
    fn new() -> io::Result<Self> {
        let file = memfd::empty(size_of::<AtomicU32>() as u64)?;
        // SAFETY: nobody else has the file, so nobody shortens it.
        Ok(SharedNumber(unsafe { MmapMut::map_mut(&file) }?))
    }

    fn get(&self) -> &AtomicU32 {
        // SAFETY: a mapping is aligned for it, is long enough, and any octets are a number.
        unsafe { &*self.0.as_ptr().cast::<AtomicU32>() }
    }
}

/// A new process that may still look at its [`Launch`].
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// From a box. Until `running` is 0 others look at it, so it is reached by this pointer alone.
    launch: NonNull<Launch>,
    stack: Option<MmapMut>,
}

impl Started {
    fn launch(&self) -> &Launch {
        // SAFETY: it is there until this value is gone, and is written to through atomics only.
        unsafe { self.launch.as_ref() }
    }

    /// Whether it has become its program, or ended. Then its memory can be used again.
    pub(crate) fn has_left(&self) -> bool {
        self.launch().running.load(Ordering::Acquire) == 0
    }

    /// Whether the template's memory counts as that of a process of another standing while it is shared.
    pub(crate) fn hides_memory(&self) -> bool {
        self.stack.is_some() && self.launch().manner.changes_users
    }

    /// It has ended, and been waited for. (The kernel does not clear the number of a process that dumps core.)
    pub(crate) fn note_end(&self) {
        self.launch().running.store(0, Ordering::Release);
    }

    /// Takes back what it used, if [`has_left`](Started::has_left) says so.
    pub(crate) fn recycle(mut self, stacks: &mut Stacks) {
        if self.has_left() {
            stacks.give(self.stack.take());
            // SAFETY: it was leaked from a box, nobody looks at it any more, and this value is forgotten below.
            drop(unsafe { Box::from_raw(self.launch.as_ptr()) });
        }
        std::mem::forget(self);
    }

    /// In a fork of the template: the copy of this memory is of no use, and its secrets are none of the fork's.
    pub(crate) fn forget(mut self) {
        // SAFETY: nobody else looks at this copy.
        unsafe { self.launch.as_mut() }.wipe();
        std::mem::forget(self);
    }
}
